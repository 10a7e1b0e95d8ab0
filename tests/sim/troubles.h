// The kinds of trouble that a run makes for its machine, one at a time, and where the power goes. Shared by the storage
// and the broker simulations.
#pragma once

#include <cstdint>
#include <vector>

#include "platform/sim/sim_volume.h"
#include "storage/options.h"
#include "tests/sim/seed_runner.h"
#include "tests/sim/store_node.h"

namespace weir::sim_tests {

enum class trouble { none, wal_io, data_io, read_io, read_flips, metadata_io, full_disk, slow_disk, full_at_start };

// Small limits, drawn by seed, so that a few hundred records turn the WAL over and make many files.
[[nodiscard]] storage::store_options draw_store_options(platform::sim::sim_rng& dice);

class troubles {
 public:
  troubles(platform::sim::sim_volume& volume, platform::sim::sim_rng& dice) : volume_(volume), dice_(dice) {}
  // Draws the next generation's trouble and begins it; returns which outcomes it excuses.
  excuses choose();
  // Some troubles only begin when the stores are open.
  void opened();
  // It is over; everybody must get along again, or have said that it is fenced.
  void end();
  // Draws where the power goes, if it does. Sites are equally likely, so that rare ones are hit as well.
  void choose_crash();
  [[nodiscard]] trouble now() const { return now_; }

 private:
  platform::sim::sim_volume& volume_;
  platform::sim::sim_rng& dice_;
  trouble now_ = trouble::none;
};

// Sites that a plan may aim at: all that storage has. A test fails when a site is missing here.
[[nodiscard]] const std::vector<crash_site>& storage_sites();

[[nodiscard]] bool is_wal(op_kind kind, const std::string& path);

}  // namespace weir::sim_tests
