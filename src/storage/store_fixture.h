// A store on the simulated disk with small limits, a state machine that notices every missing or repeated record, and the
// calls that tests make. Only for tests.
#pragma once

#include "storage/store.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/crc32c.h"
#include "platform/sim/sim_disk.h"

namespace weir::storage {

using model::lsn;
using model::offset;

inline constexpr model::shard_id shard_one{7};
inline constexpr model::log_id log_one{101};

// Counts what it is shown; its snapshot is a checksum chain, so every missing or repeated record shows.
class chain_machine final : public model::state_machine {
 public:
  struct shard {
    std::uint64_t chain = 0;
    std::uint64_t at = 0;
    friend bool operator==(const shard&, const shard&) = default;
  };
  void apply(const model::applied_record& r) override {
    shard& s = shards[r.shard.raw()];
    s.chain = s.chain * 31 + r.at.raw() + r.entries.size() * 7 + r.changes.size() + crc32c(r.state);
    s.at = r.at.raw();
  }
  void snapshot(model::shard_id id, byte_vector& out) const override {
    const auto it = shards.find(id.raw());
    const shard s = it == shards.end() ? shard{} : it->second;
    byte_writer w(out);
    w.le(s.chain);
    w.le(s.at);
  }
  result<void> restore(model::shard_id id, bytes in) override {
    byte_reader r(in);
    shard& s = shards[id.raw()];
    s.chain = r.le<std::uint64_t>();
    s.at = r.le<std::uint64_t>();
    if (!r.ok()) return fault(errc::corrupt, "snapshot is cut short");
    return {};
  }
  void on_durable(model::ticket t) override {
    EXPECT_GT(t, durable);
    durable = t;
  }
  void on_fenced(const fault&) override { ++fences; }
  void on_writable() override { ++writables; }

  std::map<std::uint64_t, shard> shards;
  model::ticket durable{};
  int fences = 0;
  int writables = 0;
};

// Entries of one record: "key=value", or "key" alone for a tombstone.
class text_format final : public model::entry_format {
 public:
  result<model::entry_facts> inspect(bytes, const model::entry_rules&) const override {
    return model::entry_facts{.count = 1};
  }
  std::size_t stamp(bytes, offset, model::epoch, std::optional<std::int64_t>, mutable_bytes) const override {
    return 0;
  }
  result<void> for_each(bytes payload, const std::function<bool(const model::record_view&)>& visit) const override {
    (void)visit(view(payload));
    return {};
  }
  result<std::optional<model::found_record>> find_time(bytes, std::int64_t) const override {
    return std::optional<model::found_record>{};
  }
  result<filtered> filter(bytes payload, const std::function<bool(const model::record_view&)>& keep) const override {
    filtered out;
    if (keep(view(payload))) {
      out.payload.assign(payload.begin(), payload.end());
      out.records_left = 1;
    }
    return out;
  }
  result<model::producer_facts> producer(bytes) const override { return model::producer_facts{}; }

 private:
  // The offset is in the text: "<offset>:key=value", since the format has no other place for it.
  static model::record_view view(bytes payload) {
    const std::string_view text = as_text(payload);
    const std::size_t colon = text.find(':');
    const std::size_t equal = text.find('=');
    model::record_view r;
    r.at = offset(std::stoll(std::string(text.substr(0, colon))));
    r.key = as_bytes(text.substr(colon + 1, equal == std::string_view::npos ? equal : equal - colon - 1));
    if (equal != std::string_view::npos) r.value = as_bytes(text.substr(equal + 1));
    return r;
  }
};
inline constexpr model::format_tag text_tag{77};

inline store_options small_options() {
  store_options o;
  o.wal_file_bytes = 1U << 20;
  o.wal_first_file_bytes = 256U << 10;
  o.wal_write_bytes_max = 64U << 10;
  o.record_bytes_max = 256U << 10;
  o.ring_bytes_max = 4U << 20;
  o.cache_bytes_max = 128U << 10;
  o.checkpoint_bytes = 512U << 10;
  o.segment_flush_bytes = 16U << 10;
  o.small_file_bytes_max = 64U << 10;
  o.critical_free_bytes = 8U << 20;
  o.resume_free_bytes = 9U << 20;
  o.reserve_bytes = 1U << 20;
  return o;
}

class store_fixture : public ::testing::Test {
 protected:
  void SetUp() override {
    formats.add(text_tag, text_entries);
    open();
  }
  // Operations under way hold files: they must go before the volume does.
  void TearDown() override {
    if (s != nullptr) crash();
    reactor.drop_all();
  }
  void put_text(model::log_id id, const std::string& what) {
    put(id, std::to_string(s->info(id).end.raw()) + ":" + what, 1, 5, text_tag);
  }
  void clean(model::log_id id) {
    bool done = false;
    s->clean_now(id, [&](const result<void>& r) {
      done = true;
      EXPECT_TRUE(r) << r.error().describe();
    });
    run([&] { return done; });
  }
  void wait(std::int64_t ms) {
    const mono_ns until = world.now() + ms * 1'000'000;
    run([&] { return world.now() >= until; });
  }
  void open() { ASSERT_EQ(try_open(), "ok"); }
  std::string try_open() {
    disk = std::make_unique<platform::sim::sim_disk>(volume, reactor);
    machine = std::make_unique<chain_machine>();
    auto opened = open_store(*disk, reactor, world.time(), random, formats, *machine, options);
    if (!opened) return opened.error().describe();
    s = std::move(*opened);
    return "ok";
  }
  void crash() {
    volume.cut_power();
    s.reset();
    reactor.drop_all();
    disk.reset();
    volume.power_cycle();
  }
  void close() {
    bool done = false;
    s->close([&](const result<void>& r) {
      EXPECT_TRUE(r) << r.error().describe();
      done = true;
    });
    run([&] { return done; });
    s.reset();
    reactor.drop_all();
  }
  void run(const std::function<bool()>& until) {
    EXPECT_EQ(world.run_until(until, 2'000'000), platform::sim::run_end::reached);
  }
  void settle() {
    run([&] { return s->durable_ticket() == s->last_ticket(); });
  }
  void settle(model::ticket t) {
    run([&] { return s->durable_ticket() >= t; });
  }
  void create(model::log_id id) {
    model::new_record r;
    r.shard = shard_one;
    r.changes.push_back({model::log_change_kind::create, id, {}});
    (void)s->append(r);
  }
  model::ticket put(model::log_id id, const std::string& text, std::uint32_t count = 1, std::int64_t ts = 5,
                    model::format_tag format = model::format_tag::none) {
    model::new_record r;
    r.shard = shard_one;
    model::new_entry e;
    e.log = id;
    e.format = format;
    e.count = count;
    e.max_timestamp_ms = ts;
    e.head = as_bytes(text).first(text.size() / 2);
    e.body = as_bytes(text).subspan(text.size() / 2);
    r.entries.push_back(e);
    return s->append(r);
  }
  // Up to `max` payload bytes from `from`, as base:payload pairs; or the fault.
  std::string get(model::log_id id, std::int64_t from, std::size_t max = 1U << 20, std::int64_t below = INT64_MAX) {
    std::string out;
    bool done = false;
    s->read({id, offset(from), offset(below), max, true}, [&](const result<model::read_batch>& r) {
      done = true;
      if (!r) {
        out = r.error().describe();
        return;
      }
      for (const auto& e : r->entries) {
        out += std::to_string(e.base.raw()) + ":" + std::string(as_text(e.payload)).substr(0, 20) + " ";
      }
    });
    run([&] { return done; });
    return out;
  }
  void checkpoint(bool expect_ok = true) {
    bool done = false;
    s->checkpoint([&](const result<void>& r) {
      done = true;
      EXPECT_EQ(static_cast<bool>(r), expect_ok) << (r ? "" : r.error().describe());
    });
    run([&] { return done; });
  }

  platform::sim::sim_world world{11};
  platform::sim::sim_volume volume{world, {}};
  platform::sim::sim_executor& reactor = world.add_reactor();
  platform::sim::sim_rng random{5};
  text_format text_entries;
  format_registry formats;
  store_options options = small_options();
  std::unique_ptr<platform::sim::sim_disk> disk;
  std::unique_ptr<chain_machine> machine;
  std::unique_ptr<store> s;
};

}  // namespace weir::storage
