#include "broker/groups/coordinator.h"

#include <algorithm>

#include "base/assert.h"
#include "broker/groups/coordinator_impl.h"
#include "broker/groups/records.h"

namespace weir::broker {

using groups::make_key;

group_coordinator::impl::~impl() {
  *alive_ = false;
  for (auto& [key, g] : live_) reactor_.cancel(g->timer);
  reactor_.cancel(sweep_timer_);
}

void group_coordinator::impl::flush() {
  if (flushing_) return;  // the outer loop takes what was added
  flushing_ = true;
  while (!outbox_.empty()) {
    const task run = std::move(outbox_.front());
    outbox_.pop_front();
    run();
  }
  flushing_ = false;
}

groups::live_group* group_coordinator::impl::open(const model::caller& who, std::string_view name) {
  return open(make_key(who.vhost, name));
}

groups::live_group* group_coordinator::impl::open(std::string_view key) {
  const auto it = live_.find(key);
  if (it != live_.end()) return it->second.get();
  const groups::stored_group* stored = table_.find(key);
  if (stored == nullptr) return nullptr;
  live_group& g = open_or_create(stored->shard, key);
  g.load(*stored);
  for (const auto& [id, m] : g.members()) {
    heard_of(g.get(id));
    arm(g, m.deadline);
  }
  return &g;
}

groups::live_group& group_coordinator::impl::open_or_create(model::shard_id shard, std::string_view key) {
  const auto it = live_.find(key);
  if (it != live_.end()) return *it->second;
  auto made = std::make_unique<live_group>(std::string(key), shard, ++incarnations_, member_bytes_);
  made->changed_ms = clock_.wall().raw();
  return *live_.emplace(std::string(key), std::move(made)).first->second;
}

bool group_coordinator::impl::may_create() const {
  return std::max(live_.size(), table_.all().size()) < static_cast<std::size_t>(settings_.groups_max);
}

void group_coordinator::impl::close(live_group& g) {
  for (const auto& [id, m] : g.members()) WEIR_ASSERT(!m.waits());
  reactor_.cancel(g.timer);
  g.expire_pending(mono_ns{INT64_MAX});
  live_.erase(live_.find(g.key));
}

void group_coordinator::impl::close_if_idle(live_group& g) {
  if (g.state == group_state::empty && g.members().empty() && g.pending().empty() && table_.find(g.key) == nullptr)
    close(g);
}

result<model::ticket> group_coordinator::impl::append(live_group& g, group_record kind, bytes state) {
  auto done = journal_.append(g.shard, static_cast<std::uint16_t>(kind), groups::record_version, state);
  if (done) g.last = std::max(g.last, *done);
  return done;
}

model::refusal group_coordinator::impl::store_generation(live_group& g, const groups::stored_generation& what) {
  scratch_.clear();
  groups::write_metadata(scratch_, g.key, what);
  const auto done = append(g, group_record::metadata, scratch_);
  if (done) return model::refusal::none;
  // What is too large stays so: the members must hear of it, not try again for ever.
  return done.error().code == errc::out_of_range ? model::refusal::internal : model::refusal::coordinator_not_available;
}

// ---- the public face

group_coordinator::group_coordinator(const group_settings& settings, executor& reactor, const clock& time, rng& random,
                                     group_journal& journal, const topic_directory& topics)
    : impl_(std::make_unique<impl>(settings, reactor, time, random, journal, topics)) {}
group_coordinator::~group_coordinator() = default;

void group_coordinator::join(model::shard_id shard, const model::caller& who, waiter_id waiter,
                             const model::join_group& c, group_reply<model::group_joined> reply) {
  impl_->join(shard, who, waiter, c, std::move(reply));
}
void group_coordinator::sync(model::shard_id, const model::caller& who, waiter_id waiter, const model::sync_group& c,
                             group_reply<model::group_synced> reply) {
  impl_->sync(who, waiter, c, std::move(reply));
}
void group_coordinator::heartbeat(model::shard_id, const model::caller& who, const model::heartbeat& c,
                                  group_reply<model::heartbeat_seen> reply) {
  reply({.error = impl_->heartbeat(who, c)});
}
void group_coordinator::leave(model::shard_id, const model::caller& who, const model::leave_group& c,
                              group_reply<model::group_left> reply) {
  impl_->leave(who, c, std::move(reply));
}
void group_coordinator::commit(model::shard_id shard, const model::caller& who, const model::commit_offsets& c,
                               group_reply<model::offsets_committed> reply) {
  impl_->commit(shard, who, c, std::move(reply));
}
void group_coordinator::fetch_offsets(model::shard_id, const model::caller& who, const model::fetch_offsets& c,
                                      group_reply<model::offsets_fetched> reply) {
  impl_->fetch(who, c, std::move(reply));
}
void group_coordinator::describe(model::shard_id, const model::caller& who, const model::describe_groups& c,
                                 group_reply<model::groups_described> reply) {
  impl_->describe(who, c, std::move(reply));
}
void group_coordinator::list(const model::caller& who, const model::list_groups& c,
                             group_reply<model::groups_listed> reply) {
  impl_->list(who, c, std::move(reply));
}
void group_coordinator::remove(model::shard_id, const model::caller& who, const model::delete_groups& c,
                               group_reply<model::groups_deleted> reply) {
  impl_->remove(who, c, std::move(reply));
}
void group_coordinator::remove_offsets(model::shard_id, const model::caller& who, const model::delete_group_offsets& c,
                                       group_reply<model::group_offsets_deleted> reply) {
  impl_->remove_offsets(who, c, std::move(reply));
}
void group_coordinator::drop(waiter_id waiter) { impl_->drop(waiter); }
std::size_t group_coordinator::stored_bytes() const { return impl_->table_.stored_bytes(); }
void group_coordinator::on_topic_deleted(const model::uuid& id) { impl_->forget_topic(id); }
result<void> group_coordinator::apply(model::shard_id shard, std::uint16_t state_kind, std::uint8_t state_version,
                                      bytes state) {
  return impl_->table_.apply(shard, state_kind, state_version, state);
}
void group_coordinator::snapshot(model::shard_id shard, byte_vector& out) const { impl_->table_.snapshot(shard, out); }
result<void> group_coordinator::restore(model::shard_id shard, bytes snapshot) {
  return impl_->table_.restore(shard, snapshot);
}
void group_coordinator::start() { impl_->start(); }
group_coordinator::stats group_coordinator::statistics() const { return impl_->statistics(); }

}  // namespace weir::broker
