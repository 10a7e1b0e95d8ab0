#include "broker/group_desk.h"

namespace weir::broker {

using model::refusal;
using security::operation;

namespace {

// One answer out of one question per group.
template<class Event>
struct several {
  reply_to to;
  Event out;
  std::size_t open = 1;
  void close() {
    if (--open == 0) to(std::move(out));
  }
};

// What the coordinator calls; if it never does (a fence), the answer leaves as refused.
template<class Event>
group_reply<Event> once(const kernel& k, const reply_to& to, Event shell = {}) {
  return [answer = std::make_shared<late_reply>(k, to, std::move(shell))](Event&& e) { answer->ready(std::move(e)); };
}

template<class Event>
void deny(const reply_to& to, Event shell = {}) {
  model::event e = std::move(shell);
  set_refusal(e, refusal::denied_group);
  to(std::move(e));
}

}  // namespace

model::shard_id shard_of_group(std::string_view vhost, std::string_view group, std::uint32_t shards) {
  std::uint64_t h = 0xcbf29ce484222325ULL;  // FNV-1a: the same on every machine and build
  const auto mix = [&](unsigned char c) { h = (h ^ c) * 0x100000001b3ULL; };
  for (const char c : vhost) mix(static_cast<unsigned char>(c));
  mix(0);
  for (const char c : group) mix(static_cast<unsigned char>(c));
  return model::shard_id((h ^ (h >> 32)) % shards);
}

group_desk::group_desk(kernel& k) : k_(k), coordinator_(k.config.groups, k.exec, k.time, k.random, *this, *this) {}

bool group_desk::may(const model::caller& who, std::string_view group, operation how) const {
  return k_.door.allow(who, security::resource::group, group, how);
}

model::shard_id group_desk::shard(const model::caller& who, std::string_view group) const {
  return shard_of_group(who.vhost, group, k_.shards());
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id w, const model::join_group& c) {
  if (!may(who, c.group, operation::read)) return deny<model::group_joined>(to);
  coordinator_.join(shard(who, c.group), who, w, c, once<model::group_joined>(k_, to));
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id w, const model::sync_group& c) {
  if (!may(who, c.group, operation::read)) return deny<model::group_synced>(to);
  coordinator_.sync(shard(who, c.group), who, w, c, once<model::group_synced>(k_, to));
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::heartbeat& c) {
  if (!may(who, c.group, operation::read)) return deny<model::heartbeat_seen>(to);
  coordinator_.heartbeat(shard(who, c.group), who, c, once<model::heartbeat_seen>(k_, to));
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::leave_group& c) {
  if (!may(who, c.group, operation::read)) return deny<model::group_left>(to);
  coordinator_.leave(shard(who, c.group), who, c, once<model::group_left>(k_, to));
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::commit_offsets& c) {
  model::offsets_committed shell;
  shell.items.resize(c.items.size());
  if (!may(who, c.group, operation::read)) return deny(to, std::move(shell));
  coordinator_.commit(shard(who, c.group), who, c, once(k_, to, std::move(shell)));
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::fetch_offsets& c) {
  if (!may(who, c.group, operation::describe)) return deny<model::offsets_fetched>(to);
  coordinator_.fetch_offsets(shard(who, c.group), who, c, once<model::offsets_fetched>(k_, to));
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::describe_groups& c) {
  const auto all = std::make_shared<several<model::groups_described>>();
  all->to = to;
  all->out.groups.resize(c.groups.size());
  for (std::size_t i = 0; i < c.groups.size(); ++i) {
    auto& g = all->out.groups[i];
    g.id = c.groups[i];
    g.error = refusal::storage_failed;  // until it is answered
    if (!may(who, c.groups[i], operation::describe)) {
      g.error = refusal::denied_group;
      continue;
    }
    ++all->open;
    const model::describe_groups one{{c.groups[i]}};
    coordinator_.describe(shard(who, c.groups[i]), who, one, [all, i](model::groups_described&& e) {
      if (!e.groups.empty()) all->out.groups[i] = std::move(e.groups.front());
      all->close();
    });
  }
  all->close();
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::delete_groups& c) {
  const auto all = std::make_shared<several<model::groups_deleted>>();
  all->to = to;
  all->out.groups.resize(c.groups.size());
  for (std::size_t i = 0; i < c.groups.size(); ++i) {
    auto& g = all->out.groups[i];
    g = {std::string(c.groups[i]), refusal::storage_failed};
    if (!may(who, c.groups[i], operation::remove)) {
      g.second = refusal::denied_group;
      continue;
    }
    ++all->open;
    const model::delete_groups one{{c.groups[i]}};
    coordinator_.remove(shard(who, c.groups[i]), who, one, [all, i](model::groups_deleted&& e) {
      if (!e.groups.empty()) all->out.groups[i] = std::move(e.groups.front());
      all->close();
    });
  }
  all->close();
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::delete_group_offsets& c) {
  model::group_offsets_deleted shell;
  shell.items.resize(c.items.size());
  if (!may(who, c.group, operation::remove)) return deny(to, std::move(shell));
  coordinator_.remove_offsets(shard(who, c.group), who, c, once(k_, to, std::move(shell)));
}

void group_desk::handle(const reply_to& to, const model::caller& who, waiter_id, const model::list_groups& c) {
  coordinator_.list(
      who, c,
      [answer = std::make_shared<late_reply>(k_, to, model::groups_listed{}), this, who](model::groups_listed&& e) {
        std::erase_if(e.groups, [&](const auto& g) { return !may(who, g.id, operation::describe); });
        answer->ready(std::move(e));
      });
}

result<model::ticket> group_desk::append(model::shard_id shard, std::uint16_t state_kind, std::uint8_t state_version,
                                         bytes state) {
  if (state.size() > k_.config.limits.record_bytes) return fault(errc::out_of_range, "the group's state is too large");
  model::new_record record;
  record.shard = shard;
  record.state_kind = state_kind;
  record.state_version = state_version;
  record.state = state;
  return k_.append_state(record);
}

model::ticket group_desk::durable_ticket() const {
  return k_.store == nullptr ? model::ticket{} : k_.store->durable_ticket();
}

void group_desk::when_durable(model::ticket at, task t) {
  if (k_.fenced) return;
  if (at > durable_ticket()) return k_.answers.add(at, std::move(t));
  k_.exec.defer([t = std::move(t), alive = std::weak_ptr(k_.alive), this] {
    if (!alive.expired() && !k_.stopped) t();
  });
}

topic_directory::entry group_desk::find(const model::caller& who, const model::topic_ref& topic) const {
  const auto found = k_.locate(who, topic, operation::read);
  if (found.error != refusal::none) return {found.error, {}, {}, 0};
  return {refusal::none, (*found.of)->name, (*found.of)->id, static_cast<std::int32_t>((*found.of)->partitions.size())};
}

std::string_view group_desk::name(const model::uuid& id) const {
  const topic_ptr* t = k_.topics.find(id);
  return t == nullptr ? std::string_view{} : std::string_view((*t)->name);
}

}  // namespace weir::broker
