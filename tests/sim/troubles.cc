#include "tests/sim/troubles.h"

namespace weir::sim_tests {

using platform::sim::crash_plan;
using platform::sim::sim_rng;

bool is_wal(op_kind kind, const std::string& path) {
  return kind == op_kind::durable_write || path.find("wal") != std::string::npos;
}

storage::store_options draw_store_options(sim_rng& dice) {
  storage::store_options o;
  o.wal_write_bytes_max = static_cast<std::uint32_t>(8192U << dice.below(3));
  o.wal_file_bytes = o.wal_write_bytes_max * dice.between(2, 6);
  o.wal_first_file_bytes = o.wal_file_bytes;
  o.wal_files_min = 2;
  o.wal_files_max = static_cast<std::uint32_t>(dice.between(3, 6));
  o.wal_writes_in_flight = static_cast<std::uint32_t>(dice.between(1, 4));
  o.record_bytes_max = o.wal_file_bytes / 2;
  o.ring_bytes_max = o.wal_write_bytes_max * dice.between(8, 24);
  o.cache_bytes_max = dice.chance(0.5) ? 0 : o.wal_write_bytes_max * dice.between(1, 8);
  o.read_bytes_max = 256U << 10;
  o.index_bytes_max = dice.between(256, 8192);
  o.open_files_max = static_cast<std::uint32_t>(dice.between(3, 16));
  o.checkpoint_bytes = dice.between(8, 64) << 10;
  o.segment_flush_bytes = dice.between(1, 8) << 10;
  o.small_file_bytes_max = dice.between(4, 32) << 10;
  o.small_extents_max = static_cast<std::uint32_t>(dice.between(2, 8));
  o.index_span_bytes = static_cast<std::uint32_t>(dice.between(256, 4096));
  o.read_ahead_bytes = static_cast<std::uint32_t>(dice.between(1, 8) << 12);
  o.block_read_bytes = 4096;
  o.reads_in_flight_bytes = dice.between(1, 16) << 12;
  o.reads_beside_writes_bytes = dice.between(1, 4) << 12;
  o.data_write_bytes = static_cast<std::uint32_t>(dice.between(1, 4) << 12);
  o.gentle_write_bytes = 4096;
  o.checkpoint_spread_ms = static_cast<std::int64_t>(dice.between(0, 50));
  o.manifest_rewrite_bytes = dice.between(2, 16) << 10;
  o.quiet_ms = static_cast<std::int64_t>(dice.between(2, 40));
  o.checkpoint_interval_ms = static_cast<std::int64_t>(dice.between(10, 200));
  o.idle_release_ms = static_cast<std::int64_t>(dice.between(5, 100));
  o.tick_ms = static_cast<std::int64_t>(dice.between(1, 5));
  o.clean_interval_ms = static_cast<std::int64_t>(dice.between(5, 100));
  o.critical_free_bytes = o.ring_bytes_max + (64U << 10);
  o.resume_free_bytes = o.critical_free_bytes + (32U << 10);
  o.reserve_bytes = o.wal_file_bytes + (128U << 10);
  o.space_poll_ms = static_cast<std::int64_t>(dice.between(1, 5));
  o.compaction_bytes_max = dice.chance(0.5) ? dice.between(200, 4000) : 64U << 20;
  o.keep_entry_bytes = dice.chance(0.5) ? 0 : static_cast<std::uint32_t>(64U << dice.below(4));
  o.keep_percent_min = static_cast<std::uint32_t>(dice.between(0, 75));
  o.keep_bytes_min = dice.below(3) << 12;
  o.keep_extents_max = static_cast<std::uint32_t>(dice.chance(0.2) ? dice.below(20) : 1000);
  return o;
}

namespace {

const std::vector<crash_site>& rare_sites() {
  static const std::vector<crash_site> sites{
      {op_kind::truncate, "s#/data/#.log"},
      {op_kind::unlink, "s#/manifest.new"},
      {op_kind::unlink, "s#/reserve"},
  };
  return sites;
}

}  // namespace

excuses troubles::choose() {
  volume_.faults = {};
  volume_.slow_factor = 1;
  volume_.set_capacity(1ULL << 30);
  now_ = dice_.chance(0.5) ? trouble::none : static_cast<trouble>(dice_.between(1, 8));
  excuses e;
  auto& f = volume_.faults;
  const double rate = dice_.chance(0.5) ? 0.02 : 0.2;
  switch (now_) {
    case trouble::none:
      break;
    case trouble::wal_io:
      f.write = f.sync = rate / 4;
      f.eligible = [](op_kind kind, const std::string& path) { return is_wal(kind, path); };
      e.io = true;
      break;
    case trouble::data_io:
      f.write = f.sync = rate;
      f.eligible = [](op_kind kind, const std::string& path) { return !is_wal(kind, path); };
      e.io = true;
      break;
    case trouble::read_io:
      f.read = rate;
      e.io = true;
      break;
    case trouble::read_flips:
      e.damage = true;
      break;  // begins when the store is open
    case trouble::metadata_io:
      f.metadata = f.sync_folder = rate;
      e.io = true;
      break;
    case trouble::full_disk:
      e.no_space = true;
      break;                      // begins when the store is open
    case trouble::full_at_start:  // to the last byte, before the store is opened
      e.no_space = true;
      volume_.set_capacity(volume_.used_bytes());
      break;
    case trouble::slow_disk:
      volume_.slow_factor = dice_.between(5, 40);
      break;
  }
  return e;
}

void troubles::choose_crash() {
  crash_plan plan;
  if (dice_.chance(0.75)) {
    // Sites that a run seldom passes get their share of the plans too.
    const bool rare = dice_.chance(0.3);
    const auto& sites = rare ? rare_sites() : storage_sites();
    const auto& site = sites[dice_.below(sites.size())];
    plan.kind = site.kind;
    plan.file_class = site.file_class;
    const std::uint64_t draw = dice_.below(100);
    plan.nth = rare || draw < 30 ? 1
               : draw < 60       ? dice_.between(1, 4)
               : draw < 85       ? dice_.between(1, 20)
                                 : dice_.between(1, 100);
  } else if (dice_.chance(0.3)) {
    plan.nth = dice_.between(1, 600);
  }
  plan.after = dice_.chance(0.4);
  volume_.arm(plan);
}

void troubles::opened() {
  if (now_ == trouble::read_flips) {
    volume_.faults.read_flip = dice_.chance(0.5) ? 0.02 : 0.3;
    volume_.faults.eligible = [](op_kind kind, const std::string& path) { return !is_wal(kind, path); };
  }
  if (now_ == trouble::full_disk) volume_.set_capacity(volume_.used_bytes() + dice_.below(400U << 10));
}

void troubles::end() {
  volume_.faults = {};
  volume_.slow_factor = 1;
  volume_.set_capacity(1ULL << 30);
  now_ = trouble::none;
}

const std::vector<crash_site>& storage_sites() {
  static const std::vector<crash_site> sites{
      {op_kind::durable_write, "s#/wal/#.wal"},
      {op_kind::allocate, "s#/wal/#.wal"},
      {op_kind::sync, "s#/wal/#.wal"},
      {op_kind::create, "s#/wal/#.wal"},
      {op_kind::unlink, "s#/wal/#.wal"},
      {op_kind::sync_folder, "s#/wal"},
      {op_kind::rename, "s#/wal/#.wal"},
      {op_kind::make_folder, "s#/wal"},
      {op_kind::make_folder, "s#/data"},
      {op_kind::write, "s#/data/#.log"},
      {op_kind::sync, "s#/data/#.log"},
      {op_kind::create, "s#/data/#.log"},
      {op_kind::truncate, "s#/data/#.log"},
      {op_kind::unlink, "s#/data/#.log"},
      {op_kind::write, "s#/data/#.small"},
      {op_kind::sync, "s#/data/#.small"},
      {op_kind::create, "s#/data/#.small"},
      {op_kind::unlink, "s#/data/#.small"},
      {op_kind::sync_folder, "s#/data"},
      {op_kind::write, "s#/manifest"},
      {op_kind::sync, "s#/manifest"},
      {op_kind::write, "s#/manifest.new"},
      {op_kind::sync, "s#/manifest.new"},
      {op_kind::create, "s#/manifest.new"},
      {op_kind::rename, "s#/manifest"},
      {op_kind::write, "s#/superblock.new"},
      {op_kind::sync, "s#/superblock.new"},
      {op_kind::create, "s#/superblock.new"},
      {op_kind::rename, "s#/superblock"},
      {op_kind::unlink, "s#/manifest.new"},
      {op_kind::sync_folder, "s#"},
      {op_kind::create, "s#/reserve"},
      {op_kind::allocate, "s#/reserve"},
      {op_kind::sync, "s#/reserve"},
      {op_kind::unlink, "s#/reserve"},
  };
  return sites;
}

}  // namespace weir::sim_tests
