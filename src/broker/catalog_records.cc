// How the catalog's records and its part of the snapshot of shard 0 are laid out. All integers little-endian; text and
// lists carry a 32-bit length. docs/formats describes the same.
//
//   topic            vhost text, name text, id 16 bytes, born epoch i32, partitions: u32 count, {log u64, shard u64},
//                    overrides: u32 count, {name text, value text}
//   topics_created   u32 count, topic...
//   topics_deleted   u32 count, id 16 bytes...
//   topics_grown     u32 count, {id, u32 count, {log u64, shard u64}}
//   topic_configured u32 count, {id, u32 count, {name text, value text}}
//   node_started     epoch i32
//   broker_configured  u32 count, {node i32 (-1: all nodes), u32 count, {name text, value text}}
//   snapshot         node epoch i32, next log u64, what broker_configured has of all nodes, u32 count, topic...
#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "broker/catalog.h"

namespace weir::broker {
namespace {

void write_id(const model::uuid& id, byte_writer& w) { w.raw(bytes_of(id.data)); }

void write_places(const std::vector<partition_place>& places, byte_writer& w) {
  w.le(static_cast<std::uint32_t>(places.size()));
  for (const partition_place& p : places) {
    w.le(p.log.raw());
    w.le(p.shard.raw());
  }
}

void write_overrides(const model::config_map& overrides, byte_writer& w) {
  w.le(static_cast<std::uint32_t>(overrides.size()));
  for (const auto& [name, value] : overrides) {
    w.text(name);
    w.text(value);
  }
}

void write_topic(const topic& t, byte_writer& w) {
  w.text(t.vhost);
  w.text(t.name);
  write_id(t.id, w);
  w.le(t.born_epoch);
  write_places(t.partitions, w);
  write_overrides(t.overrides, w);
}

model::uuid read_id(byte_reader& r) {
  model::uuid id;
  const bytes b = r.view(id.data.size());
  if (r.ok()) std::memcpy(id.data.data(), b.data(), b.size());
  return id;
}

// A count of things that take at least `least` bytes each: what does not fit in the rest is damage, seen before memory.
std::uint32_t read_count(byte_reader& r, std::size_t least) {
  const auto n = r.le<std::uint32_t>();
  if (n > r.remaining() / least) r.fail();
  return r.ok() ? n : 0;
}

std::vector<partition_place> read_places(byte_reader& r) {
  std::vector<partition_place> out(read_count(r, 16));
  for (partition_place& p : out) {
    p.log = model::log_id(r.le<std::uint64_t>());
    p.shard = model::shard_id(r.le<std::uint64_t>());
  }
  return out;
}

model::config_map read_overrides(byte_reader& r) {
  model::config_map out;
  const std::uint32_t n = read_count(r, 8);
  for (std::uint32_t i = 0; i < n && r.ok(); ++i) {
    std::string name(r.text());
    out.insert_or_assign(std::move(name), std::string(r.text()));
  }
  return out;
}

// Over what `out` has. A node without values is forgotten.
void read_broker(byte_reader& r, dynamic_configs& out) {
  const std::uint32_t n = read_count(r, 8);
  for (std::uint32_t i = 0; i < n && r.ok(); ++i) {
    const auto node = r.le<std::int32_t>();
    out.put(node, read_overrides(r));
  }
}

topic_ptr read_topic(byte_reader& r, const catalog& c) {
  auto t = std::make_shared<topic>();
  t->vhost = r.text();
  t->name = r.text();
  t->id = read_id(r);
  t->born_epoch = r.le<std::int32_t>();
  t->partitions = read_places(r);
  t->overrides = read_overrides(r);
  t->effective = c.resolve(t->overrides);
  return t;
}

constexpr std::size_t least_topic_bytes = 4 + 4 + 16 + 4 + 4 + 4;

// Two topics never have one name or one id.
void read_topics(byte_reader& r, const catalog& c, std::vector<topic_ptr>& out) {
  const std::uint32_t n = read_count(r, least_topic_bytes);
  out.reserve(n);
  std::set<std::pair<std::string_view, std::string_view>> names;
  std::unordered_set<model::uuid> ids;
  for (std::uint32_t i = 0; i < n && r.ok(); ++i) {
    out.push_back(read_topic(r, c));
    const topic& t = *out.back();
    if (!names.emplace(t.vhost, t.name).second || !ids.insert(t.id).second) r.fail();
  }
}

void read_created(byte_reader& r, const catalog& c, std::vector<topic_ptr>& out) {
  read_topics(r, c, out);
  const bool known = std::any_of(out.begin(), out.end(), [&](const topic_ptr& t) {
    return c.find(t->vhost, t->name) != nullptr || c.find(t->id) != nullptr;
  });
  if (known) r.fail();
}

void read_deleted(byte_reader& r, const catalog& c, catalog_change& out) {
  const std::uint32_t n = read_count(r, 16);
  for (std::uint32_t i = 0; i < n && r.ok(); ++i) {
    const topic_ptr* t = c.find(read_id(r));
    if (t == nullptr) return r.fail();
    out.removed.push_back(*t);
  }
}

// Each item names a topic that exists and what is to be different; `change` reads that.
template<class Change>
void read_changed(byte_reader& r, const catalog& c, catalog_change& out, Change change) {
  const std::uint32_t n = read_count(r, 20);
  for (std::uint32_t i = 0; i < n && r.ok(); ++i) {
    const topic_ptr* t = c.find(read_id(r));
    if (t == nullptr) return r.fail();
    auto copy = std::make_shared<topic>(**t);
    change(*copy);
    out.put.push_back(std::move(copy));
  }
}

fault damaged() { return {errc::corrupt, "catalog record: the state of shard 0 does not decode"}; }

}  // namespace

void write_topics_created(const std::vector<topic_ptr>& topics, byte_vector& out) {
  byte_writer w(out);
  w.le(static_cast<std::uint32_t>(topics.size()));
  for (const topic_ptr& t : topics) write_topic(*t, w);
}

void write_topics_deleted(const std::vector<topic_ptr>& topics, byte_vector& out) {
  byte_writer w(out);
  w.le(static_cast<std::uint32_t>(topics.size()));
  for (const topic_ptr& t : topics) write_id(t->id, w);
}

void write_topics_grown(const std::vector<growth>& grown, byte_vector& out) {
  byte_writer w(out);
  w.le(static_cast<std::uint32_t>(grown.size()));
  for (const growth& g : grown) {
    write_id(g.id, w);
    write_places(g.added, w);
  }
}

void write_topic_configured(const std::vector<configuration>& changed, byte_vector& out) {
  byte_writer w(out);
  w.le(static_cast<std::uint32_t>(changed.size()));
  for (const configuration& c : changed) {
    write_id(c.id, w);
    write_overrides(c.overrides, w);
  }
}

void write_broker_configured(const std::vector<broker_configuration>& changed, byte_vector& out) {
  byte_writer w(out);
  w.le(static_cast<std::uint32_t>(changed.size()));
  for (const broker_configuration& c : changed) {
    w.le(c.node);
    write_overrides(c.values, w);
  }
}

void write_node_started(std::int32_t epoch, byte_vector& out) { byte_writer(out).le(epoch); }

result<catalog_change> catalog::read(catalog_kind kind, bytes state) const {
  byte_reader r(state);
  catalog_change out;
  switch (kind) {
    case catalog_kind::topics_created:
      read_created(r, *this, out.put);
      break;
    case catalog_kind::topics_deleted:
      read_deleted(r, *this, out);
      break;
    case catalog_kind::topics_grown:
      read_changed(r, *this, out, [&](topic& t) {
        const auto added = read_places(r);
        t.partitions.insert(t.partitions.end(), added.begin(), added.end());
      });
      break;
    case catalog_kind::topic_configured:
      read_changed(r, *this, out, [&](topic& t) {
        t.overrides = read_overrides(r);
        t.effective = resolve(t.overrides);
      });
      break;
    case catalog_kind::node_started:
      out.node_epoch = r.le<std::int32_t>();
      break;
    case catalog_kind::broker_configured: {
      dynamic_configs next = *broker_;
      read_broker(r, next);
      if (r.ok()) plan_broker(std::move(next), out);
      break;
    }
    default:
      return fault(errc::unsupported, "catalog record of kind " + std::to_string(static_cast<unsigned>(kind)));
  }
  if (!r.ok() || !r.at_end()) return damaged();
  return out;
}

void catalog::snapshot(byte_vector& out) const {
  byte_writer w(out);
  w.le(node_epoch_);
  w.le(next_log_);
  w.le(static_cast<std::uint32_t>(broker_->by_node.size()));
  for (const auto& [node, values] : broker_->by_node) {
    w.le(node);
    write_overrides(values, w);
  }
  w.le(static_cast<std::uint32_t>(by_id_.size()));
  for_each([&](const topic_ptr& t) { write_topic(*t, w); });
}

result<void> catalog::restore(byte_reader& in, bool with_broker) {
  catalog_change c;
  c.node_epoch = in.le<std::int32_t>();
  c.next_log = in.le<std::uint64_t>();
  dynamic_configs broker;
  if (with_broker) read_broker(in, broker);
  if (!in.ok()) return damaged();
  // Before the topics, which are resolved over it.
  catalog_change first;
  first.broker = std::make_shared<const dynamic_configs>(std::move(broker));
  adopt(first);
  read_topics(in, *this, c.put);
  if (!in.ok()) return damaged();
  sorted_.clear();
  by_name_.clear();
  by_id_.clear();
  with_dot_or_underscore_.clear();
  partitions_ = 0;
  next_log_ = 1;
  adopt(c);
  return {};
}

}  // namespace weir::broker
