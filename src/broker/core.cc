#include "broker/core.h"

#include <utility>
#include <variant>

#include "base/assert.h"
#include "broker/core_parts.h"

namespace weir::broker {

// ---- the parts together -----------------------------------------------------------------------------------------------

core_parts::core_parts(const layout& where, const core_deps& deps)
    : k(where, deps),
      ids(k),
      fetches(k),
      offsets(k),
      groups(k),
      topics(k, fetches, [this](const topic& t) { groups.coordinator().on_topic_deleted(t.id); }),
      admin(k, topics),
      produces(
          k, [this](bool paused) { tell_pressure(paused); }, [this] { tell_shown(); }),
      state(k, ids, groups.coordinator()),
      desk(*this),
      remote(*this) {
  k.peers = {this};
}

void core_parts::handle(const reply_to& to, const model::caller& who, waiter_id waiter, const model::command& c) {
  std::visit(
      [&](const auto& x) {
        using command = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<command, model::produce>) {
          produces.submit(to, who, x);
        } else if constexpr (std::is_same_v<command, model::fetch>) {
          fetches.submit(to, who, x);
        } else if constexpr (std::is_same_v<command, model::list_offsets>) {
          offsets.list(to, who, x);
        } else if constexpr (std::is_same_v<command, model::epoch_ends>) {
          offsets.epochs(to, who, x);
        } else if constexpr (std::is_same_v<command, model::delete_records>) {
          offsets.trim(to, who, x);
        } else if constexpr (std::is_same_v<command, model::describe_producers>) {
          offsets.producers(to, who, x);
        } else if constexpr (std::is_same_v<command, model::describe_topics>) {
          admin.describe(to, who, x);
        } else if constexpr (std::is_same_v<command, model::describe_configs>) {
          admin.describe_configs(to, who, x);
        } else if constexpr (std::is_same_v<command, model::create_topics>) {
          admin.create(to, who, x);
        } else if constexpr (std::is_same_v<command, model::delete_topics>) {
          admin.remove(to, who, x);
        } else if constexpr (std::is_same_v<command, model::grow_topics>) {
          admin.grow(to, who, x);
        } else if constexpr (std::is_same_v<command, model::alter_configs>) {
          admin.alter_configs(to, who, x);
        } else if constexpr (std::is_same_v<command, model::init_producer>) {
          ids.init(to, who, x);
        } else if constexpr (std::is_same_v<command, model::describe_log_dirs>) {
          describe_log_dirs(to, who, x);
        } else {
          groups.handle(to, who, waiter, x);
        }
      },
      c);
}

void core_parts::describe_log_dirs(const reply_to& to, const model::caller& who, const model::describe_log_dirs& c) {
  model::log_dirs_described out;
  if (!k.door.allow(who, security::resource::cluster, {}, security::operation::describe)) {
    out.error = model::refusal::denied_cluster;
    return to(std::move(out));
  }
  out.folder = k.config.data_folder;
  const model::store_stats disk = k.store->stats();
  out.usable_bytes = static_cast<std::int64_t>(disk.free_bytes);
  out.total_bytes = static_cast<std::int64_t>(disk.total_bytes);
  const auto show = [&](const topic& t, std::int32_t index) {
    const partition* p = k.find(t.partitions[static_cast<std::size_t>(index)].log);
    if (p == nullptr || p->of == nullptr) return;
    out.partitions.push_back({t.name, index, static_cast<std::int64_t>(k.store->info(p->log).size_bytes)});
  };
  if (c.items) {
    for (const auto& i : *c.items) {
      const topic_ptr* t = k.topics.find(who.vhost, i.topic);
      if (t != nullptr && i.partition >= 0 && static_cast<std::size_t>(i.partition) < (*t)->partitions.size()) {
        show(**t, i.partition);
      }
    }
  } else {
    k.topics.for_each([&](const topic_ptr& t) {
      if (t->vhost != who.vhost) return;
      for (std::size_t i = 0; i < t->partitions.size(); ++i) show(*t, static_cast<std::int32_t>(i));
    });
  }
  k.answer(k.control_ticket, to, std::move(out));
}

void core_parts::drop(const reply_sink* sink, std::uint64_t owner) {
  fetches.drop(sink, owner);
  produces.drop(sink, owner);
}

void core_parts::tell_pressure(bool paused) {
  for (core_parts* peer : k.peers) {
    if (peer == this) {
      desk.pressure(paused);
      continue;
    }
    peer->k.exec.send([peer, alive = std::weak_ptr(peer->k.alive), paused] {
      if (!alive.expired()) peer->desk.pressure(paused);
    });
  }
}

// Later in the same turn: all that the turn's produces appended wakes a reader once.
void core_parts::tell_shown() {
  if (std::exchange(telling_shown_, true)) return;
  k.exec.defer([this, alive = std::weak_ptr(k.alive)] {
    if (alive.expired() || k.stopped) return;
    telling_shown_ = false;
    k.take_shown([this](model::log_id log, std::size_t bytes) { fetches.touched(log, bytes); });
    fetches.answer_ready();
  });
}

// ---- start and stop ---------------------------------------------------------------------------------------------------

void core_parts::start(model::log_store& store, std::function<void(result<void>)> ready) {
  WEIR_ASSERT(k.store == nullptr);
  k.store = &store;
  ready_ = std::move(ready);
  if (state.damage()) return std::exchange(ready_, nullptr)(*state.damage());
  if (k.where.reactor == 0) return begin_node();
  if (catalog_ != nullptr) take_catalog(std::exchange(catalog_, nullptr));
}

// Reactor 0: a new start epoch, then logs as the catalog has them; the others get the whole catalog when that is durable.
void core_parts::begin_node() {
  byte_vector next;
  write_node_started(k.topics.node_epoch() + 1, next);
  model::new_record record;
  record.shard = model::shard_id(0);
  record.state_kind = static_cast<std::uint16_t>(catalog_kind::node_started);
  record.state_version = 1;
  record.state = next;
  const auto appended = k.append(record, model::log_store::write_class::essential);
  if (!appended) return std::exchange(ready_, nullptr)(appended.error());
  k.applied_change = {};
  topics.reconcile();
  k.when_durable(k.control_ticket, [this] {
    const auto all = std::make_shared<const catalog_change>(k.topics.all());
    for (core_parts* peer : k.peers) {
      if (peer == this) continue;
      peer->k.exec.send([peer, alive = std::weak_ptr(peer->k.alive), all] {
        if (!alive.expired() && !peer->k.stopped) peer->take_catalog(all);
      });
    }
    serve();
  });
}

void core_parts::take_catalog(std::shared_ptr<const catalog_change> all) {
  if (k.store == nullptr) {
    catalog_ = std::move(all);  // this reactor's store is still recovering
    return;
  }
  if (ready_ == nullptr) return;  // its start has failed, and nothing here may change any more
  k.topics.adopt(*all);
  topics.reconcile();
  k.when_durable(k.control_ticket, [this] { serve(); });
}

void core_parts::serve() {
  groups.coordinator().start();
  desk.open();
  sweep();
  std::exchange(ready_, nullptr)({});
}

// Forgets idle producers now and then. Not a record: whoever looks at one that is too old takes it for forgotten anyway.
void core_parts::sweep() {
  const std::int64_t before = k.time.wall().raw() - k.config.producer_id_expiration_ms;
  for (const auto& [log, p] : k.partitions) {
    if (!p->producers) continue;
    k.stats.producers -= p->producers->expire(before);
    if (p->producers->size() == 0) p->producers = nullptr;
  }
  sweep_timer_ = k.exec.at(k.time.now() + k.config.producer_id_check_interval_ms * 1'000'000, [this] { sweep(); });
}

void core_parts::stop() {
  if (k.stopped) return;
  k.stopped = true;
  desk.stop();
  k.exec.cancel(sweep_timer_);
  produces.stop();
  fetches.stop();
  topics.stop();
  k.answers.clear();
}

void core_parts::on_durable(model::ticket t) {
  if (k.stopped || k.store == nullptr) return;
  k.take_durable(t, [this](model::log_id log, std::size_t bytes) { fetches.touched(log, bytes); });
  k.answers.drain(t);
  fetches.answer_ready();
}

void core_parts::on_fenced() {
  k.fenced = true;
  k.stats.fenced = true;
  if (k.stopped) return;
  if (ready_) std::exchange(ready_, nullptr)(fault(errc::fenced, "the store failed while it was started"));
  k.answers.fail(model::refusal::storage_failed);
  fetches.fail_all();
  produces.retry();
  topics.fail();
}

// ---- the outer face ---------------------------------------------------------------------------------------------------

struct core::parts : core_parts {
  using core_parts::core_parts;
};

core::core(const layout& where, const core_deps& deps) : parts_(std::make_unique<parts>(where, deps)) {}
core::~core() { parts_->stop(); }

void core::link(const std::vector<core*>& all) {
  WEIR_ASSERT(all.size() == parts_->k.where.reactors && all[parts_->k.where.reactor] == this);
  parts_->k.peers.clear();
  for (core* c : all) parts_->k.peers.push_back(c->parts_.get());
}

void core::start(model::log_store& store, std::function<void(result<void>)> ready) {
  WEIR_ASSERT(parts_->k.peers.size() == parts_->k.where.reactors);
  parts_->start(store, std::move(ready));
}

const std::optional<fault>& core::damage() const { return parts_->state.damage(); }

void core::stop() { parts_->stop(); }

model::broker_port& core::port() { return parts_->desk; }

core_stats core::stats() const {
  core_stats out = parts_->k.stats;
  out.answers_waiting = parts_->k.answers.size();
  out.gatherings = parts_->desk.gatherings();
  out.groups_bytes = parts_->groups.coordinator().stored_bytes();
  out.forwarded_bytes = parts_->desk.forwarded_bytes();
  out.topics = parts_->k.topics.size();
  return out;
}

void core::apply(const model::applied_record& record) { parts_->state.apply(record); }
void core::snapshot(model::shard_id shard, byte_vector& out) const { parts_->state.snapshot(shard, out); }
result<void> core::restore(model::shard_id shard, bytes snapshot) { return parts_->state.restore(shard, snapshot); }
void core::on_durable(model::ticket t) { parts_->on_durable(t); }
void core::on_fenced(const fault& /*why*/) { parts_->on_fenced(); }

void core::on_writable() {
  if (parts_->k.stopped || parts_->k.store == nullptr) return;
  parts_->topics.retry();
  parts_->produces.retry();
}

}  // namespace weir::broker
