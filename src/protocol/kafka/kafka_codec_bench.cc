// The codec's part of the two hot paths: a produce request read and its batch checked, a fetch response written and read.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "protocol/kafka/codec.h"
#include "protocol/kafka/gen/data.h"
#include "protocol/kafka/records.h"

namespace weir::kafka {
namespace {

byte_vector batch_of(std::int64_t records, std::size_t value_size) {
  batch_builder b({});
  const std::string value(value_size, 'v');
  for (std::int64_t i = 0; i < records; ++i) b.add(i, as_bytes("key"), as_bytes(value));
  return *b.finish();
}

void produce_decode(benchmark::State& state) {
  const byte_vector batch = batch_of(state.range(1), 100);
  produce_request m;
  m.acks = -1;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    auto& p = m.topics.emplace_back();
    p.name = "some-topic-name";
    p.partitions.emplace_back().records.data = batch;
  }
  protocol::output out;
  encode(m, 9, out);
  const bytes wire(out.tail());
  for (auto _ : state) {
    const auto back = decode<produce_request>(wire, 9);
    benchmark::DoNotOptimize(back->topics.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(wire.size()) * static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(produce_decode)->Args({1, 1})->Args({1, 100})->Args({100, 1});

void produced_batch_check(benchmark::State& state) {
  const byte_vector batch = batch_of(state.range(0), 100);
  const batch_rules rules{.open_records = state.range(1) != 0};
  for (auto _ : state) benchmark::DoNotOptimize(check_produced(batch, rules).has_value());
  state.SetItemsProcessed(state.range(0) * static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(produced_batch_check)->Args({1, 0})->Args({1000, 0})->Args({1000, 1});

void fetch_response_encode(benchmark::State& state) {
  const auto batch = std::make_shared<byte_vector>(batch_of(100, 100));
  fetch_response m;
  auto& t = m.topics.emplace_back();
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    auto& p = t.partitions.emplace_back();
    p.index = static_cast<std::int32_t>(i);
    p.records.pieces.push_back({bytes(*batch), batch});
  }
  protocol::output out;
  for (auto _ : state) {
    out.clear();
    encode_response(m, 12, 1, out);
    benchmark::DoNotOptimize(out.size());
  }
}
BENCHMARK(fetch_response_encode)->Arg(1)->Arg(100);

}  // namespace
}  // namespace weir::kafka
