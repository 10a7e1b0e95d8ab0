#include "broker/kernel.h"

#include <utility>

#include "base/assert.h"

namespace weir::broker {

using model::refusal;

std::vector<model::shard_id> shards_of(const layout& where) {
  std::vector<model::shard_id> out;
  const std::uint64_t first = std::uint64_t{where.reactor} * where.shards_per_reactor;
  for (std::uint64_t i = 0; i < where.shards_per_reactor; ++i) out.emplace_back(first + i);
  return out;
}

void format_registry::add(model::format_tag tag, const model::entry_format& format) {
  items_.push_back({tag, &format});
}

const model::entry_format* format_registry::find(model::format_tag tag) const {
  for (const item& i : items_) {
    if (i.tag == tag) return i.format;
  }
  return nullptr;
}

kernel::kernel(const layout& where_, const core_deps& deps)
    : where(where_),
      config(deps.config),
      exec(deps.exec),
      time(deps.time),
      random(deps.random),
      formats(deps.formats),
      door(deps.config.allow_all),
      topics(deps.config) {
  WEIR_ASSERT(where.reactors > 0 && where.reactor < where.reactors && where.shards_per_reactor > 0);
}

result<model::ticket> kernel::append(const model::new_record& record, model::log_store::write_class c) {
  if (fenced || store == nullptr) return fault(errc::fenced);
  auto may = store->writable(c);
  if (!may) return may.error();
  WEIR_ASSERT(record.state.size() <= config.limits.record_bytes);
  const model::ticket t = store->append(record);
  for (const model::new_entry& e : record.entries) {
    const partition* p = find(e.log);
    const pending one{t, e.log, e.head.size() + e.body.size()};
    if (p != nullptr && p->async()) {
      shown_.push_back(one);
    } else {
      pending_.push_back(one);
    }
  }
  if (!record.changes.empty() || (record.entries.empty() && record.state_kind != 0)) control_ticket = t;
  return t;
}

result<model::ticket> kernel::append_state(const model::new_record& record) {
  if (fenced || store == nullptr) return fault(errc::fenced);
  auto may = store->writable(model::log_store::write_class::essential);
  if (!may) return may.error();
  return store->append(record);
}

void kernel::take_shown(const std::function<void(model::log_id, std::size_t)>& touched) {
  for (const pending& p : std::exchange(shown_, {})) touched(p.log, p.bytes);
}

void kernel::take_durable(model::ticket t, const std::function<void(model::log_id, std::size_t)>& touched) {
  while (!pending_.empty() && pending_.front().when <= t) {
    const pending p = pending_.front();
    pending_.pop_front();
    touched(p.log, p.bytes);
  }
}

void kernel::answer(model::ticket when, const reply_to& to, model::event&& e) {
  if (fenced) {
    set_refusal(e, refusal::storage_failed);
    return to(std::move(e));
  }
  if (store == nullptr || when <= store->durable_ticket()) return to(std::move(e));
  answers.add(when, to, std::move(e));
}

void kernel::when_durable(model::ticket when, task t) {
  if (fenced) return;
  if (store == nullptr || when <= store->durable_ticket()) return t();
  answers.add(when, std::move(t));
}

kernel::found kernel::locate(const model::caller& who, const model::topic_ref& ref, security::operation how) const {
  found out;
  if (ref.name.empty()) {
    out.of = topics.find(ref.id);
    if (out.of == nullptr || (*out.of)->vhost != who.vhost) return {refusal::unknown_topic_id, nullptr, nullptr};
    if (!door.allow(who, security::resource::topic, (*out.of)->name, how)) out.error = refusal::denied_topic;
    return out;
  }
  if (!door.allow(who, security::resource::topic, ref.name, how)) return {refusal::denied_topic, nullptr, nullptr};
  out.of = topics.find(who.vhost, ref.name);
  if (out.of == nullptr) return {refusal::unknown_topic_or_partition, nullptr, nullptr};
  if (!ref.id.is_zero() && ref.id != (*out.of)->id) out.error = refusal::inconsistent_topic_id;
  return out;
}

kernel::found kernel::locate(const model::caller& who, const model::topic_ref& ref, std::int32_t index,
                             security::operation how) const {
  found out = locate(who, ref, how);
  if (out.error != refusal::none) return out;
  const topic& t = **out.of;
  if (index < 0 || static_cast<std::size_t>(index) >= t.partitions.size()) {
    out.error = refusal::unknown_topic_or_partition;
    return out;
  }
  out.at = find(t.partitions[static_cast<std::size_t>(index)].log);
  // The log is on its way: the topic's record is there, this reactor has not made its logs yet.
  if (out.at == nullptr || out.at->of == nullptr) out.error = refusal::leader_not_available;
  return out;
}

partition* kernel::find(model::log_id log) const {
  const auto at = partitions.find(log);
  return at == partitions.end() ? nullptr : at->second.get();
}

refusal kernel::check_epoch(const partition& p, model::epoch current) const {
  if (current.raw() < 0) return refusal::none;
  const model::epoch ours = leader_epoch(p);
  if (current < ours) return refusal::fenced_leader_epoch;
  if (current > ours) return refusal::unknown_leader_epoch;
  return refusal::none;
}

late_reply::~late_reply() {
  if (alive_.expired() || k_.stopped) return;
  if (!ready_) set_refusal(event_, refusal::storage_failed);
  to_(std::move(event_));
}

refusal refusal_of(const fault& f) {
  switch (f.code) {
    case errc::busy:
      return refusal::busy;
    case errc::no_space:
      return refusal::disk_full;
    case errc::out_of_range:
      return refusal::offset_out_of_range;
    case errc::not_found:
      return refusal::unknown_topic_or_partition;
    default:
      return refusal::storage_failed;
  }
}

}  // namespace weir::broker
