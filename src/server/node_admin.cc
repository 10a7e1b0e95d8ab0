// What the node tells over the admin API.
#include <unistd.h>

#include <boost/json/array.hpp>
#include <fstream>

#include "base/version.h"
#include "server/config_text.h"
#include "server/node.h"

namespace weir::server {

namespace json = boost::json;

namespace {

json::object store_object(const model::store_stats& s) {
  return {{"wal_writes", s.wal_writes},
          {"wal_bytes", s.wal_bytes},
          {"records", s.records},
          {"segment_bytes", s.segment_bytes},
          {"kept_bytes", s.kept_bytes},
          {"checkpoints", s.checkpoints},
          {"wal_turnovers", s.wal_turnovers},
          {"tail_bytes", s.tail_bytes},
          {"cache_bytes", s.cache_bytes},
          {"logs", s.logs},
          {"files", s.files},
          {"free_bytes", s.free_bytes},
          {"fenced", s.fenced},
          {"disk_critical", s.disk_critical}};
}

json::object core_object(const broker::core_stats& s) {
  return {{"produce_requests", s.produce_requests},
          {"entries_in", s.entries_in},
          {"records_in", s.records_in},
          {"bytes_in", s.bytes_in},
          {"fetch_requests", s.fetch_requests},
          {"bytes_out", s.bytes_out},
          {"fetches_waiting", s.fetches_waiting},
          {"produces_waiting", s.produces_waiting},
          {"answers_waiting", s.answers_waiting},
          {"gatherings", s.gatherings},
          {"duplicates", s.duplicates},
          {"partitions", s.partitions},
          {"topics", s.topics},
          {"producers", s.producers},
          {"fenced", s.fenced}};
}

// One pool of memory: what it holds, and the key that caps it.
json::object pool(std::uint64_t bytes, std::uint64_t max) { return json::object{{"bytes", bytes}, {"max", max}}; }

json::object receive_pool_object(const receive_pool& p) {
  json::object out = pool(p.held(), p.max());
  out["waiting"] = p.waiting();
  return out;
}

std::int64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  in >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::size_t positive_or(const json::object& request, const char* name, std::size_t otherwise) {
  const json::value* v = request.if_contains(name);
  return v != nullptr && v->is_int64() && v->get_int64() > 0 ? static_cast<std::size_t>(v->get_int64()) : otherwise;
}

}  // namespace

void node::gather(std::function<json::object(reactor_part&)> ask, std::function<void(std::vector<json::object>)> done) {
  struct state {
    std::vector<json::object> answers;
    std::size_t left = 0;
  };
  auto s = std::make_shared<state>();
  s->answers.resize(parts_.size());
  s->left = parts_.size();
  for (reactor_part& p : parts_) {
    p.loop->send([this, &p, s, ask, done] {
      if (stopping_.load(std::memory_order_relaxed)) return;
      main_loop().send([s, done, i = p.index, answer = ask(p)] {
        s->answers[i] = answer;
        if (--s->left == 0) done(std::move(s->answers));
      });
    });
  }
}

json::object node::status_head() const {
  json::array listeners;
  for (const auto& [protocol, where] : listening())
    listeners.push_back({{"protocol", protocol}, {"address", print_endpoint(where)}});
  return {{"version", std::string(version)},
          {"pid", ::getpid()},
          {"uptime_ms", (parts_.front().loop->clock().now() - started_) / 1'000'000},
          {"data_dir", folder_.path},
          {"cluster_id", folder_.facts.cluster_id},
          {"node_id", config_.broker.node_id},
          {"disk", parts_.front().disk->durable_path()},
          {"listeners", std::move(listeners)},
          {"resident_bytes", resident_bytes()},
          {"connections",
           {{"now", census_.now()},
            {"accepted", census_.accepted()},
            {"refused", census_.refused()},
            {"max", config_.limits.connections}}}};
}

void node::status(std::function<void(json::object)> done) {
  gather(
      [this](reactor_part& p) {
        const model::store_stats store = p.store->stats();
        json::object memory{{"tail", pool(store.tail_bytes, config_.store.ring_bytes_max)},
                            {"cache", pool(store.cache_bytes, store.cache_bytes_max)},
                            {"prepared", pool(p.memory->ready() * chunk_memory::piece_bytes,
                                              prepared_pieces_max * chunk_memory::piece_bytes)},
                            {"read", pool(store.read_bytes, config_.store.read_bytes_max)},
                            {"index", pool(store.index_bytes, config_.store.index_bytes_max)},
                            {"groups", pool(p.core->stats().groups_bytes, config_.broker.groups.stored_bytes_max)},
                            {"forwarded", pool(p.core->stats().forwarded_bytes, config_.broker.limits.forwarded_bytes)},
                            {"receive", receive_pool_object(p.connections->receiving())},
                            {"connections", json::object{{"bytes", p.connections->buffered_bytes()}}}};
        return json::object{{"reactor", p.index},
                            {"connections", p.connections->size()},
                            {"memory", std::move(memory)},
                            {"store", store_object(store)},
                            {"broker", core_object(p.core->stats())}};
      },
      [this, done = std::move(done)](std::vector<json::object> all) {
        json::object out = status_head();
        json::array reactors;
        for (json::object& one : all) reactors.push_back(std::move(one));
        out["reactors"] = std::move(reactors);
        done(std::move(out));
      });
}

void node::connections(std::size_t max, std::function<void(json::object)> done) {
  gather(
      [max](reactor_part& p) {
        json::array list;
        for (const connection_info& c : p.connections->list(max)) {
          list.push_back({{"id", c.id},
                          {"protocol", c.protocol},
                          {"peer", print_endpoint(c.peer)},
                          {"what", clean(c.what)},
                          {"bytes_in", c.bytes_in},
                          {"bytes_out", c.bytes_out},
                          {"unsent", c.unsent},
                          {"age_ms", c.age_ms},
                          {"reactor", p.index}});
        }
        return json::object{{"connections", std::move(list)}};
      },
      [max, done = std::move(done)](const std::vector<json::object>& all) {
        json::array list;
        for (const json::object& one : all) {
          for (const json::value& c : one.at("connections").as_array()) {
            if (list.size() < max) list.push_back(c);
          }
        }
        done({{"connections", std::move(list)}});
      });
}

void node::checkpoint(std::function<void(result<void>)> done) {
  auto left = std::make_shared<std::size_t>(parts_.size());
  auto outcome = std::make_shared<result<void>>();
  for (reactor_part& p : parts_) {
    p.loop->send([this, &p, left, outcome, done] {
      if (stopping_.load(std::memory_order_relaxed)) return;
      p.store->checkpoint([this, left, outcome, done](result<void> r) {
        main_loop().send([left, outcome, done, r = std::move(r)] {
          if (!r && *outcome) *outcome = r;
          if (--*left == 0) done(*outcome);
        });
      });
    });
  }
}

void add_admin_operations(admin_operations& to, node& n) {
  to.add("status", [&n](const json::object&, admin_operations::answer done) {
    n.status([done = std::move(done)](json::object out) { done(std::move(out)); });
  });
  to.add("connections", [&n](const json::object& request, admin_operations::answer done) {
    n.connections(positive_or(request, "max", 1000),
                  [done = std::move(done)](json::object out) { done(std::move(out)); });
  });
  to.add("checkpoint", [&n](const json::object&, admin_operations::answer done) {
    n.checkpoint([done = std::move(done)](const result<void>& r) {
      if (!r) return done(r.error());
      done(json::object{});
    });
  });
}

}  // namespace weir::server
