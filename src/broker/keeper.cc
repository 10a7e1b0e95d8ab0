#include "broker/keeper.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "broker/core_parts.h"

namespace weir::broker {
namespace {

// Log changes of one record at most: some hundred kilobytes of it.
constexpr std::size_t changes_most = 20'000;

}  // namespace

result<void> keeper::commit(const catalog_write& change, task done) {
  k_.applied_change = {};
  result<void> outcome;
  auto how = change.how;
  for (const byte_vector& state : change.states) {
    model::new_record record;
    record.shard = model::shard_id(0);
    record.state_kind = static_cast<std::uint16_t>(change.kind);
    record.state_version = 1;
    record.state = state;
    const auto appended = k_.append(record, how);
    if (!appended) {
      outcome = appended.error();
      break;
    }
    how = model::log_store::write_class::essential;  // what was begun is to be finished
  }
  if (!outcome && k_.applied_change.empty()) return outcome;
  auto applied = std::make_shared<const catalog_change>(std::exchange(k_.applied_change, {}));
  settle(*applied);
  k_.when_durable(k_.control_ticket, [this, applied, done = std::move(done)] {
    if (k_.where.reactors == 1) return done();
    ship(applied, done);
  });
  return outcome;
}

// Sends the change to the other reactors; the last of their answers runs `done`, which itself stays here.
void keeper::ship(const std::shared_ptr<const catalog_change>& change, task done) {
  const std::uint64_t number = ++last_shipment_;
  shipments_[number] = {k_.where.reactors - 1, std::move(done)};
  for (core_parts* peer : k_.peers) {
    if (&peer->k == &k_) continue;
    peer->k.exec.send([peer, alive = std::weak_ptr(peer->k.alive), change, number] {
      if (!alive.expired() && !peer->k.stopped) peer->topics.adopt(*change, number);
    });
  }
}

void keeper::acknowledged(std::uint64_t number) {
  const auto at = shipments_.find(number);
  if (at == shipments_.end() || --at->second.missing > 0) return;
  const task done = std::move(at->second.done);
  shipments_.erase(at);
  done();
}

void keeper::adopt(const catalog_change& change, std::uint64_t number) {
  WEIR_ASSERT(k_.store != nullptr);  // no changes before every core has said that it is ready
  k_.topics.adopt(change);
  settle(change);
  owed_.insert(number);
  if (k_.fenced) return fail();
  k_.when_durable(k_.control_ticket, [this, number] { acknowledge(number); });
}

void keeper::acknowledge(std::uint64_t number) {
  if (owed_.erase(number) == 0) return;
  core_parts* origin = k_.peers.front();
  origin->k.exec.send([origin, alive = std::weak_ptr(origin->k.alive), number] {
    if (!alive.expired() && !origin->k.stopped) origin->topics.acknowledged(number);
  });
}

void keeper::fail() {
  for (const std::uint64_t number : std::set<std::uint64_t>(owed_)) acknowledge(number);
}

void keeper::settle(const catalog_change& change) {
  by_shard plan(k_.where.shards_per_reactor);
  std::vector<std::uint64_t> waiters;
  for (const topic_ptr& t : change.removed) plan_removal(*t, plan, waiters);
  for (const topic_ptr& t : change.put) plan_topic(t, plan);
  write(std::move(plan));
  for (const topic_ptr& t : change.put) bind(t, waiters);
  for (const topic_ptr& t : change.removed) topic_gone_(*t);
  if (waiters.empty()) return;
  fetches_.wake_all(std::move(waiters));
  fetches_.answer_ready();
}

void keeper::plan_topic(const topic_ptr& t, by_shard& changes) const {
  for (const partition_place& p : t->partitions) {
    if (!k_.owns(p.shard) || k_.find(p.log) != nullptr) continue;
    changes[static_cast<std::size_t>(p.shard.raw()) % k_.where.shards_per_reactor].push_back(
        {model::log_change_kind::create, p.log, {}});
  }
}

void keeper::plan_removal(const topic& t, by_shard& changes, std::vector<std::uint64_t>& waiters) const {
  for (const partition_place& place : t.partitions) {
    partition* p = k_.find(place.log);
    if (p == nullptr) continue;
    waiters.insert(waiters.end(), p->waiters.begin(), p->waiters.end());
    p->of = nullptr;  // gone for everybody from now on, whenever the log itself goes
    changes[static_cast<std::size_t>(place.shard.raw()) % k_.where.shards_per_reactor].push_back(
        {model::log_change_kind::remove, place.log, {}});
  }
}

void keeper::write(by_shard&& changes) {
  const auto shards = shards_of(k_.where);
  const std::size_t changes_per_record =
      std::clamp<std::size_t>(k_.config.limits.record_bytes / change_overhead_bytes, 1, changes_most);
  for (std::size_t s = 0; s < changes.size(); ++s) {
    for (std::size_t done = 0; done < changes[s].size(); done += changes_per_record) {
      const auto first = changes[s].begin() + static_cast<std::ptrdiff_t>(done);
      const auto n = std::min(changes_per_record, changes[s].size() - done);
      model::new_record record;
      record.shard = shards[s];
      record.changes.assign(first, first + static_cast<std::ptrdiff_t>(n));
      if (!k_.append(record, model::log_store::write_class::essential)) unsettled_ = true;
    }
  }
}

void keeper::bind(const topic_ptr& t, std::vector<std::uint64_t>& waiters) {
  for (std::size_t i = 0; i < t->partitions.size(); ++i) {
    partition* p = k_.find(t->partitions[i].log);
    if (p == nullptr) continue;
    const bool known = p->of != nullptr;
    const bool was_async = p->async();
    p->of = t;
    p->index = static_cast<std::int32_t>(i);
    const model::log_info log = k_.store->info(p->log);
    p->start = log.start;
    p->end = log.end;
    k_.store->set_policy(p->log, t->effective->policy);
    if (known && was_async != p->async()) change_level(*p, was_async, log, waiters);
  }
}

void keeper::change_level(partition& p, bool was_async, const model::log_info& log,
                          std::vector<std::uint64_t>& waiters) {
  if (!was_async) {
    waiters.insert(waiters.end(), p.waiters.begin(), p.waiters.end());
    return;
  }
  // What was shown stays shown. Whatever is answered from now on waits until it is on disk, the change itself included:
  // who is told that the topic is not async any more may rely on all of it.
  p.shown = std::max(p.shown, log.end);
  k_.control_ticket = std::max(k_.control_ticket, k_.store->last_ticket());
}

void keeper::reconcile() {
  std::vector<std::uint64_t> waiters;
  by_shard plan(k_.where.shards_per_reactor);
  for (auto& [log, p] : k_.partitions) p->of = nullptr;
  k_.topics.for_each([&](const topic_ptr& t) {
    plan_topic(t, plan);
    bind(t, waiters);
  });
  for (const auto& [log, p] : k_.partitions) {
    if (p->of != nullptr) continue;
    plan[static_cast<std::size_t>(p->shard.raw()) % k_.where.shards_per_reactor].push_back(
        {model::log_change_kind::remove, log, {}});
  }
  for (auto& changes : plan) {
    std::sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.log < b.log; });
  }
  const bool nothing = std::all_of(plan.begin(), plan.end(), [](const auto& c) { return c.empty(); });
  if (nothing) return;
  write(std::move(plan));
  k_.topics.for_each([&](const topic_ptr& t) { bind(t, waiters); });
}

void keeper::retry() {
  if (!std::exchange(unsettled_, false) || k_.fenced) return;
  reconcile();
}

}  // namespace weir::broker
