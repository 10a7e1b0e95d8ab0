// How cores of one node start together.
#include <gtest/gtest.h>

#include "broker/testing/rig.h"

namespace weir::broker::node_testing {
namespace {

// A core whose state is damaged says so and touches nothing, whatever the others send it.
TEST(reactors, a_damaged_one_does_not_start_with_the_others) {
  settings config;
  hand_clock time;
  hand_executor exec(time);
  counting_rng random;
  fake_format format;
  format_registry formats;
  formats.add(model::format_tag::kafka_batch_v2, format);
  std::vector<fake_disk> disks(2);
  stored_record unknown;
  unknown.shard = model::shard_id(2);
  unknown.state_kind = 39;
  unknown.state_version = 1;
  unknown.state.resize(8);
  disks[1].durable.push_back(unknown);
  std::vector<std::unique_ptr<core>> cores;
  std::vector<std::unique_ptr<fake_store>> stores;
  std::vector<core*> all;
  for (std::uint32_t i = 0; i < 2; ++i) {
    cores.push_back(std::make_unique<core>(layout{i, 2, 2}, core_deps{config, exec, time, random, formats}));
    all.push_back(cores.back().get());
  }
  std::vector<result<void>> outcomes(2);
  std::vector<int> told(2);
  for (auto& c : cores) c->link(all);
  for (std::uint32_t i = 0; i < 2; ++i) {
    stores.push_back(std::make_unique<fake_store>(disks[i], *cores[i], exec));
    ASSERT_TRUE(stores[i]->recover().has_value());
    cores[i]->start(*stores[i], [&, i](result<void> done) {
      outcomes[i] = std::move(done);
      ++told[i];
    });
  }
  for (int i = 0; i < 5; ++i) {
    exec.run_for(0);
    for (auto& s : stores) s->sync();
  }
  EXPECT_EQ(told, (std::vector<int>{1, 1}));
  EXPECT_TRUE(outcomes[0].has_value());
  ASSERT_FALSE(outcomes[1].has_value());
  EXPECT_EQ(outcomes[1].error().code, errc::unsupported);
  EXPECT_EQ(stores[1]->appends, 0U);
  for (auto& c : cores) c->stop();
}

}  // namespace
}  // namespace weir::broker::node_testing
