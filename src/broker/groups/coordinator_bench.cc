// What a commit and a fetch of offsets cost in the coordinator, without the log behind it.
#include <benchmark/benchmark.h>

#include "broker/groups/coordinator_rig.h"

namespace weir::broker::testing {
namespace {

struct bed {
  bed() {
    topics.add("t", 10'000);
    journal.owner = &groups;
  }
  hand_clock time;
  hand_executor reactor{time};
  counting_rng random;
  hand_journal journal;
  hand_topics topics;
  model::caller who;
  group_coordinator groups{{}, reactor, time, random, journal, topics};
};
constexpr model::shard_id shard{7};

void commit_offsets(benchmark::State& state) {
  bed r;
  model::commit_offsets o;
  o.group = "g";
  for (std::int32_t p = 0; p < state.range(0); ++p) o.items.push_back({{"t", {}}, p, model::offset{p}, {}, ""});
  for (auto _ : state) {
    r.groups.commit(shard, r.who, o, [](model::offsets_committed&& e) { benchmark::DoNotOptimize(e); });
    r.journal.entries.clear();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(commit_offsets)->Arg(1)->Arg(100)->Arg(5000);

void fetch_offsets(benchmark::State& state) {
  bed r;
  model::commit_offsets o;
  o.group = "g";
  for (std::int32_t p = 0; p < state.range(0); ++p) o.items.push_back({{"t", {}}, p, model::offset{p}, {}, ""});
  r.groups.commit(shard, r.who, o, [](model::offsets_committed&&) {});
  for (auto _ : state)
    r.groups.fetch_offsets(shard, r.who, {.group = "g", .items = {}},
                           [](model::offsets_fetched&& e) { benchmark::DoNotOptimize(e); });
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(fetch_offsets)->Arg(5000);

}  // namespace
}  // namespace weir::broker::testing
