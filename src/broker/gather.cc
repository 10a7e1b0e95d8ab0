// The half of the front desk that is used with several reactors: commands in parts, answers put together.
#include <algorithm>
#include <numeric>
#include <utility>
#include <variant>

#include "broker/core_parts.h"
#include "broker/front_desk.h"
#include "broker/owned_command.h"

namespace weir::broker {
namespace {

template<class... F>
struct overloaded : F... {
  using F::operator()...;
};
template<class... F>
overloaded(F...) -> overloaded<F...>;  // clang 14 needs it said

// The list in which a split command's answer has one item per item of the command.
auto& list_of(model::produced& e) { return e.items; }
auto& list_of(model::fetched& e) { return e.items; }
auto& list_of(model::offsets_listed& e) { return e.items; }
auto& list_of(model::epoch_ends_found& e) { return e.items; }
auto& list_of(model::records_deleted& e) { return e.items; }
auto& list_of(model::producers_described& e) { return e.items; }
auto& list_of(model::groups_described& e) { return e.groups; }
auto& list_of(model::groups_deleted& e) { return e.groups; }
template<class Command>
auto& items_of(Command& c) {
  if constexpr (requires { c.items; }) {
    return c.items;
  } else {
    return c.groups;
  }
}
template<class Event>
concept splittable = requires(Event& e) {
  list_of(e);
};

template<class T>
void append_all(std::vector<T>& to, std::vector<T>&& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

// Answers of a broadcast run into one.
void merge(model::log_dirs_described& all, model::log_dirs_described&& part) {
  if (all.folder.empty()) all.folder = part.folder;
  if (part.error != model::refusal::none) all.error = part.error;
  all.usable_bytes = std::max(all.usable_bytes, part.usable_bytes);
  append_all(all.partitions, std::move(part.partitions));
  std::sort(all.partitions.begin(), all.partitions.end(), [](const auto& a, const auto& b) {
    return std::tie(a.topic, a.partition) < std::tie(b.topic, b.partition);
  });
}
void merge(model::groups_listed& all, model::groups_listed&& part) {
  if (part.error != model::refusal::none) all.error = part.error;
  append_all(all.groups, std::move(part.groups));
  std::sort(all.groups.begin(), all.groups.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

// Bytes that another reactor may keep.
void copy_payloads(model::fetched& e) {
  for (auto& item : e.items) {
    if (item.data.entries.empty()) continue;
    auto memory = std::make_shared<byte_vector>();
    memory->reserve(item.data.payload_bytes);
    for (auto& entry : item.data.entries) memory->insert(memory->end(), entry.payload.begin(), entry.payload.end());
    std::size_t at = 0;
    for (auto& entry : item.data.entries) {
      entry.payload = bytes(*memory).subspan(at, entry.payload.size());
      at += entry.payload.size();
    }
    item.data.owners.assign(1, std::move(memory));
  }
}

// Several reactors each kept to the limit: takes off what is over it together, never the first entry.
void cut_to(model::fetched& e, std::int64_t bytes_max) {
  std::size_t left = bytes_max > 0 ? static_cast<std::size_t>(bytes_max) : 0;
  bool first = true;
  for (auto& item : e.items) {
    std::size_t kept = 0;
    std::size_t size = 0;
    while (kept < item.data.entries.size() && (first || item.data.entries[kept].payload.size() <= left)) {
      const std::size_t n = item.data.entries[kept++].payload.size();
      left -= std::min(left, n);
      size += n;
      first = false;
    }
    if (kept < item.data.entries.size()) left = 0;  // what follows would overtake
    item.data.entries.resize(kept);
    item.data.payload_bytes = size;
  }
}

bool any_failed(const model::produced& e) {
  return std::any_of(e.items.begin(), e.items.end(), [](const auto& i) { return i.error != model::refusal::none; });
}

}  // namespace

void remote_desk::reply(const reply_to& to, model::event&& e) {
  core_parts* origin = parts_.k.peers[to.owner >> 48];
  const std::uint64_t number = to.owner & ((std::uint64_t{1} << 48) - 1);
  if (auto* f = std::get_if<model::fetched>(&e)) copy_payloads(*f);
  const auto moved = std::make_shared<model::event>(std::move(e));
  origin->k.exec.send([origin, alive = std::weak_ptr(origin->k.alive), number, part = to.token, moved] {
    if (!alive.expired()) origin->desk.gathered(number, part, std::move(*moved));
  });
}

std::uint32_t front_desk::owner_of(const model::caller& who, const model::topic_ref& t, std::int32_t index) const {
  const auto& k = parts_.k;
  const topic_ptr* found = t.name.empty() ? k.topics.find(t.id) : k.topics.find(who.vhost, t.name);
  if (found == nullptr || index < 0 || static_cast<std::size_t>(index) >= (*found)->partitions.size()) {
    return k.where.reactor;  // says that there is no such thing
  }
  return k.reactor_of((*found)->partitions[static_cast<std::size_t>(index)].shard);
}

std::uint32_t front_desk::owner_of(const model::caller& who, std::string_view group) const {
  return parts_.k.reactor_of(shard_of_group(who.vhost, group, parts_.k.shards()));
}

void front_desk::route(std::uint64_t id, const model::caller& who, std::uint64_t token, model::command& c) {
  const auto& k = parts_.k;
  const auto by_topic = [&]<class Command, class Event>(Command& x, Event shell) {
    split(id, who, token, x, std::move(shell),
          [&](std::size_t i) { return owner_of(who, x.items[i].topic, x.items[i].partition); });
  };
  const auto by_group = [&]<class Command, class Event>(Command& x, Event shell) {
    split(id, who, token, x, std::move(shell), [&](std::size_t i) { return owner_of(who, x.groups[i]); });
  };
  std::visit(overloaded{
                 [&](model::produce& x) { by_topic(x, model::produced{}); },
                 [&](model::fetch& x) { by_topic(x, model::fetched{}); },
                 [&](model::list_offsets& x) { by_topic(x, model::offsets_listed{}); },
                 [&](model::epoch_ends& x) { by_topic(x, model::epoch_ends_found{}); },
                 [&](model::delete_records& x) { by_topic(x, model::records_deleted{}); },
                 [&](model::describe_producers& x) { by_topic(x, model::producers_described{}); },
                 [&](model::describe_groups& x) { by_group(x, model::groups_described{}); },
                 [&](model::delete_groups& x) { by_group(x, model::groups_deleted{}); },
                 [&](model::describe_log_dirs&) { broadcast(id, who, token, c, model::log_dirs_described{}); },
                 [&](model::list_groups&) { broadcast(id, who, token, c, model::groups_listed{}); },
                 [&](model::describe_configs&) { forward(id, who, token, k.where.reactor, c); },
                 [&](model::describe_topics& x) {
                   forward(id, who, token, parts_.admin.needs_creation(who, x) ? 0 : k.where.reactor, c);
                 },
                 [&](auto& x) {
                   if constexpr (requires { x.group; }) {
                     forward(id, who, token, owner_of(who, x.group), c);
                   } else {
                     forward(id, who, token, 0, c);  // changes of the catalog, producer ids
                   }
                 },
             },
             c);
}

std::uint64_t front_desk::open_gathering(std::uint64_t id, std::uint64_t token, model::event&& shell,
                                         std::vector<std::uint32_t> reactors,
                                         std::vector<std::vector<std::size_t>> places) {
  const std::uint64_t number = ++last_gathering_;
  gathering& g = gatherings_[number];
  g.session = id;
  g.token = token;
  g.out = std::move(shell);
  g.open = reactors.size();
  g.reactors = std::move(reactors);
  g.places = std::move(places);
  return number;
}

void front_desk::send_part(std::uint64_t number, std::size_t part, std::uint32_t reactor, const model::caller& who,
                           std::uint64_t id, const model::command& c) {
  core_parts* peer = parts_.k.peers[reactor];
  const waiter_id w = waiter(id);
  if (peer == &parts_) {
    return parts_.handle({&gather_sink_, number, part}, who, w, c);
  }
  std::shared_ptr<const owned_command> copy = own(who, c);
  const std::size_t size = copy->size();
  forwarded_->fetch_add(size, std::memory_order_relaxed);
  const std::uint64_t owner = remote_desk::pack(parts_.k.where.reactor, number);
  peer->k.exec.send([peer, alive = std::weak_ptr(peer->k.alive), copy = std::move(copy), owner, part, w,
                     origin = &parts_, origin_alive = std::weak_ptr(parts_.k.alive), size, forwarded = forwarded_,
                     crowded = crowded_]() mutable {
    if (!alive.expired() && !peer->k.stopped) {
      peer->handle({&peer->remote, owner, part}, copy->who, w, copy->what);
    }
    copy.reset();
    forwarded->fetch_sub(size);
    // The origin looks at the sum after it has set this, so one of the two sees the other.
    if (!crowded->load() || origin_alive.expired()) return;
    origin->k.exec.send([origin, alive = std::move(origin_alive)] {
      if (!alive.expired()) origin->desk.part_arrived();
    });
  });
  if (crowded_->load(std::memory_order_relaxed) || forwarded_bytes() <= parts_.k.config.limits.forwarded_bytes) return;
  crowded_->store(true);
  pressure(true);
  // What arrived before that was seen told nobody.
  if (forwarded_->load() <= parts_.k.config.limits.forwarded_bytes / 2) part_arrived();
}

void front_desk::forward(std::uint64_t id, const model::caller& who, std::uint64_t token, std::uint32_t reactor,
                         model::command& c) {
  if (reactor == parts_.k.where.reactor) {
    return parts_.handle({this, id, token}, who, waiter(id), c);
  }
  const std::uint64_t number = open_gathering(id, token, {}, {reactor}, {});
  send_part(number, 0, reactor, who, id, c);
}

void front_desk::broadcast(std::uint64_t id, const model::caller& who, std::uint64_t token, model::command& c,
                           model::event shell) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t r = 0; r < parts_.k.where.reactors; ++r) all.push_back(r);
  const std::uint64_t number = open_gathering(id, token, std::move(shell), all, {});
  for (const std::uint32_t r : all) send_part(number, r, r, who, id, c);
}

template<class Command, class Event>
void front_desk::split(std::uint64_t id, const model::caller& who, std::uint64_t token, Command& c, Event shell,
                       const std::function<std::uint32_t(std::size_t)>& owner) {
  auto& items = items_of(c);
  std::vector<std::uint32_t> reactors;
  std::vector<std::vector<std::size_t>> places;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::uint32_t r = owner(i);
    const auto at = std::find(reactors.begin(), reactors.end(), r);
    if (at == reactors.end()) {
      reactors.push_back(r);
      places.push_back({i});
    } else {
      places[static_cast<std::size_t>(at - reactors.begin())].push_back(i);
    }
  }
  if (reactors.empty() || (reactors.size() == 1 && reactors.front() == parts_.k.where.reactor)) {
    const model::command whole = std::move(c);
    return parts_.handle({this, id, token}, who, waiter(id), whole);
  }
  list_of(shell).resize(items.size());
  const std::uint64_t number = open_gathering(id, token, std::move(shell), reactors, places);
  if constexpr (std::is_same_v<Command, model::fetch>) {
    gathering& g = gatherings_[number];
    g.bytes_max = std::min(c.bytes_max, parts_.k.config.fetch_max_bytes);
    g.bytes_min = c.bytes_min;
    g.have.resize(reactors.size());
    if (reactors.size() > 1) {
      c.bytes_share = std::max<std::int64_t>(c.bytes_min / static_cast<std::int64_t>(reactors.size()), 1);
    }
  }
  if constexpr (std::is_same_v<Command, model::produce>) {
    c.always_answered = c.wait == model::produce::acks::none;
    gatherings_[number].only_failures = c.always_answered;
  }
  for (std::size_t p = 0; p < reactors.size(); ++p) {
    Command part = c;
    items_of(part).clear();
    for (const std::size_t i : places[p]) items_of(part).push_back(items[i]);
    send_part(number, p, reactors[p], who, id, model::command(std::move(part)));
  }
}

void front_desk::gathered(std::uint64_t number, std::uint64_t part, model::event&& e) {
  const auto at = gatherings_.find(number);
  if (stopped_ || at == gatherings_.end()) return;
  gathering& g = at->second;
  if (g.places.empty() && g.reactors.size() == 1) {
    g.out = std::move(e);
  } else if (g.places.empty()) {
    std::visit(
        [&](auto& whole) {
          if constexpr (requires { merge(whole, std::move(whole)); }) {
            merge(whole, std::get<std::decay_t<decltype(whole)>>(std::move(e)));
          }
        },
        g.out);
  } else {
    std::visit(
        [&](auto& whole) {
          using whole_type = std::decay_t<decltype(whole)>;
          if constexpr (splittable<whole_type>) {
            auto& items = list_of(std::get<whole_type>(e));
            for (std::size_t i = 0; i < items.size(); ++i) list_of(whole)[g.places[part][i]] = std::move(items[i]);
          }
        },
        g.out);
  }
  if (--g.open > 0) {
    if (std::holds_alternative<model::fetched>(g.out) && !std::exchange(g.hurried, true)) hurry_others(number, g, part);
    return;
  }
  if (auto* f = std::get_if<model::fetched>(&g.out)) cut_to(*f, g.bytes_max);
  const reply_to to{this, g.session, g.token};
  const bool told = !g.only_failures || any_failed(std::get<model::produced>(g.out));
  model::event out = std::move(g.out);
  gatherings_.erase(at);
  if (told) reply(to, std::move(out));
}

void front_desk::tell_parts(std::uint64_t number, const gathering& g, std::size_t but, const for_part& what) {
  for (std::size_t p = 0; p < g.reactors.size(); ++p) {
    if (p == but) continue;
    core_parts* peer = parts_.k.peers[g.reactors[p]];
    if (peer == &parts_) {
      // Not now: it may be in the middle of this very command.
      parts_.k.exec.defer([this, alive = std::weak_ptr(parts_.k.alive), number, p, what] {
        if (!alive.expired() && !stopped_) what(parts_.fetches, &gather_sink_, number, p);
      });
      continue;
    }
    const std::uint64_t owner = remote_desk::pack(parts_.k.where.reactor, number);
    peer->k.exec.send([peer, alive = std::weak_ptr(peer->k.alive), owner, p, what] {
      if (!alive.expired() && !peer->k.stopped) what(peer->fetches, &peer->remote, owner, p);
    });
  }
}

// One part of a fetch has its answer, so the whole has: the others give what they have.
void front_desk::hurry_others(std::uint64_t number, const gathering& g, std::size_t but) {
  tell_parts(number, g, but, [](fetch_part& fetches, const reply_sink* sink, std::uint64_t owner, std::size_t) {
    fetches.hurry(sink, owner);
  });
}

void front_desk::gather_sink::progress(const reply_to& to, std::size_t bytes) {
  desk_.part_has(to.owner, to.token, bytes);
}

void remote_desk::progress(const reply_to& to, std::size_t bytes) {
  core_parts* origin = parts_.k.peers[to.owner >> 48];
  const std::uint64_t number = to.owner & ((std::uint64_t{1} << 48) - 1);
  origin->k.exec.send([origin, alive = std::weak_ptr(origin->k.alive), number, part = to.token, bytes] {
    if (!alive.expired()) origin->desk.part_has(number, part, bytes);
  });
}

void front_desk::part_has(std::uint64_t number, std::uint64_t part, std::size_t bytes) {
  const auto at = gatherings_.find(number);
  if (stopped_ || at == gatherings_.end() || at->second.hurried) return;
  gathering& g = at->second;
  g.have[part] = bytes;
  const auto sum = std::accumulate(g.have.begin(), g.have.end(), std::size_t{0});
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(g.bytes_min, 0));
  if (sum >= wanted) {
    g.hurried = true;
    return hurry_others(number, g, SIZE_MAX);
  }
  // With what each may keep to itself, one byte less than its share, all of them stay below the whole.
  const std::size_t share = std::max<std::size_t>((wanted - sum) / g.reactors.size(), 1);
  tell_parts(number, g, SIZE_MAX,
             [share, have = g.have](fetch_part& fetches, const reply_sink* sink, std::uint64_t owner, std::size_t p) {
               fetches.set_share(sink, owner, have[p] + share);
             });
}

void front_desk::drop_gatherings(std::uint64_t id) {
  for (auto at = gatherings_.begin(); at != gatherings_.end();) {
    if (at->second.session != id) {
      ++at;
      continue;
    }
    const std::uint64_t number = at->first;
    for (const std::uint32_t r : at->second.reactors) {
      core_parts* peer = parts_.k.peers[r];
      if (peer == &parts_) {
        parts_.drop(&gather_sink_, number);
        continue;
      }
      const std::uint64_t owner = remote_desk::pack(parts_.k.where.reactor, number);
      peer->k.exec.send([peer, alive = std::weak_ptr(peer->k.alive), owner] {
        if (!alive.expired() && !peer->k.stopped) peer->drop(&peer->remote, owner);
      });
    }
    at = gatherings_.erase(at);
  }
}

}  // namespace weir::broker
