#include "broker/groups/group_table.h"

#include <algorithm>

#include "broker/groups/coordinator.h"
#include "broker/groups/records.h"

namespace weir::broker::groups {
namespace {

constexpr std::uint8_t snapshot_version = 1;

auto place_of(partition_offsets& of, std::int32_t partition) {
  // Commits mostly name rising partitions, so the end is the likeliest place of a new one.
  if (of.empty() || of.back().partition < partition) return of.end();
  return std::ranges::lower_bound(of, partition, {}, &committed_offset::partition);
}

committed_offset& slot_of(partition_offsets& of, std::int32_t partition) {
  const auto at = place_of(of, partition);
  if (at != of.end() && at->partition == partition) return *at;
  return *of.insert(at, committed_offset{.partition = partition});
}

// Partition numbers are 31 bits; anything else is not ours.
bool take_partition(byte_reader& in, std::int32_t& partition) {
  const std::uint64_t v = in.varint();
  if (v > INT32_MAX) in.fail();
  partition = static_cast<std::int32_t>(v);
  return in.ok();
}

void put_topic(byte_writer& out, const model::uuid& id, const partition_offsets& of) {
  put_uuid(out, id);
  out.varint(of.size());
  for (const committed_offset& o : of) {
    out.varint(static_cast<std::uint32_t>(o.partition));
    out.le(o.at.raw());
    out.le(o.leader_epoch.raw());
    out.le(o.commit_ms);
    out.le(o.expire_ms);
    out.varint(o.metadata.size());
    out.raw(as_bytes(o.metadata));
  }
}

std::size_t bytes_of(const stored_generation& g) {
  std::size_t n = g.protocol_type.size() + (g.protocol ? g.protocol->size() : 0) + g.leader.size();
  for (const stored_member& m : g.members) {
    n += sizeof m + m.id.size() + (m.instance ? m.instance->size() : 0) + m.client_id.size() + m.host.size() +
         m.metadata.size() + m.assignment.size();
  }
  return n;
}

}  // namespace

std::string make_key(std::string_view vhost, std::string_view name) {
  std::string key;
  key.reserve(vhost.size() + 1 + name.size());
  key.append(vhost).push_back('\0');
  return key.append(name);
}
std::string_view vhost_of(std::string_view key) { return key.substr(0, key.find('\0')); }
std::string_view name_of(std::string_view key) { return key.substr(key.find('\0') + 1); }

const committed_offset* stored_group::find(const model::uuid& topic, std::int32_t partition) const {
  const auto t = offsets.find(topic);
  if (t == offsets.end()) return nullptr;
  const auto at = std::ranges::lower_bound(t->second, partition, {}, &committed_offset::partition);
  return at != t->second.end() && at->partition == partition ? &*at : nullptr;
}

const stored_group* group_table::find(std::string_view key) const {
  const auto it = groups_.find(key);
  return it == groups_.end() ? nullptr : &it->second;
}

group_table::place group_table::at(model::shard_id shard, std::string_view key) {
  auto it = groups_.find(key);
  if (it != groups_.end()) return it;
  bytes_ += bytes_of_group(key);
  return groups_.emplace(std::string(key), stored_group{.shard = shard}).first;
}

partition_offsets& group_table::offsets_of(place g, const model::uuid& topic) {
  const auto [t, fresh] = g->second.offsets.try_emplace(topic);
  if (fresh) {
    holders_[topic].insert(g->first);
    bytes_ += bytes_of_topic();
  }
  return t->second;
}

void group_table::set_generation(place g, stored_generation&& what) {
  if (g->second.generation) bytes_ -= bytes_of(*g->second.generation);
  bytes_ += bytes_of(what);
  g->second.generation = std::move(what);
}

void group_table::drop_topic(place g, std::map<model::uuid, partition_offsets>::iterator t) {
  for (const committed_offset& o : t->second) bytes_ -= bytes_of_offset(o.metadata.size());
  bytes_ -= bytes_of_topic();
  const auto of = holders_.find(t->first);
  of->second.erase(g->first);
  if (of->second.empty()) holders_.erase(of);
  g->second.offsets.erase(t);
}

group_table::place group_table::drop(place g) {
  while (!g->second.offsets.empty()) drop_topic(g, g->second.offsets.begin());
  if (g->second.generation) bytes_ -= bytes_of(*g->second.generation);
  bytes_ -= bytes_of_group(g->first);
  return groups_.erase(g);
}

bool group_table::take_topic(byte_reader& in, place g) {
  constexpr std::size_t entry_bytes_min = 30;
  partition_offsets& of = offsets_of(g, take_uuid(in));
  const std::uint64_t n = in.varint();
  if (!in.ok() || n > in.remaining() / entry_bytes_min) return false;
  of.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    committed_offset o;
    if (!take_partition(in, o.partition)) return false;
    if (!of.empty() && of.back().partition >= o.partition) return false;
    o.at = model::offset{in.le<std::int64_t>()};
    o.leader_epoch = model::epoch{in.le<std::int32_t>()};
    o.commit_ms = in.le<std::int64_t>();
    o.expire_ms = in.le<std::int64_t>();
    o.metadata = as_text(in.view(in.varint()));
    bytes_ += bytes_of_offset(o.metadata.size());
    of.push_back(std::move(o));
  }
  return in.ok();
}

bool group_table::take_group(byte_reader& in, place g) {
  if (in.u8() != 0) {
    stored_generation generation;
    if (!take_generation(in, generation)) return false;
    set_generation(g, std::move(generation));
  }
  const std::uint64_t topics = in.varint();
  for (std::uint64_t i = 0; i < topics; ++i)
    if (!take_topic(in, g)) return false;
  return in.ok();
}

result<void> group_table::apply(model::shard_id shard, std::uint16_t kind, std::uint8_t version, bytes state) {
  if (version != record_version) return fault(errc::unsupported, "group record of an unknown version");
  byte_reader in(state);
  bool ok = false;
  switch (static_cast<group_record>(kind)) {
    case group_record::metadata:
      ok = apply_metadata(shard, in);
      break;
    case group_record::offsets:
      ok = apply_offsets(shard, in);
      break;
    case group_record::offsets_removed:
      ok = apply_offsets_removed(in);
      break;
    case group_record::group_removed:
      ok = apply_group_removed(in);
      break;
    case group_record::topic_forgotten:
      ok = apply_topic_forgotten(shard, in);
      break;
    default:
      return fault(errc::unsupported, "group record of an unknown kind");
  }
  if (!ok || !in.ok() || !in.at_end()) return fault(errc::corrupt, "group record with a damaged structure");
  return {};
}

bool group_table::apply_metadata(model::shard_id shard, byte_reader& in) {
  const std::string_view key = in.text();
  stored_generation g;
  if (!take_generation(in, g)) return false;
  set_generation(at(shard, key), std::move(g));
  return true;
}

bool group_table::apply_offsets(model::shard_id shard, byte_reader& in) {
  const place g = at(shard, in.text());
  const auto commit_ms = in.le<std::int64_t>();
  const auto expire_ms = in.le<std::int64_t>();
  while (in.ok() && !in.at_end()) {
    partition_offsets& of = offsets_of(g, take_uuid(in));
    for (auto left = in.le<std::uint32_t>(); left != 0 && in.ok(); --left) {
      std::int32_t partition = 0;
      if (!take_partition(in, partition)) return false;
      const std::size_t known = of.size();
      committed_offset& o = slot_of(of, partition);
      if (of.size() == known) bytes_ -= bytes_of_offset(o.metadata.size());
      o.at = model::offset{in.le<std::int64_t>()};
      o.leader_epoch = model::epoch{in.le<std::int32_t>()};
      o.commit_ms = commit_ms;
      o.expire_ms = expire_ms;
      o.metadata = as_text(in.view(in.varint()));
      bytes_ += bytes_of_offset(o.metadata.size());
    }
  }
  return in.ok();
}

bool group_table::apply_offsets_removed(byte_reader& in) {
  const auto it = groups_.find(in.text());
  if (it == groups_.end()) return false;
  while (in.ok() && !in.at_end()) {
    const auto topic = it->second.offsets.find(take_uuid(in));
    // A request may name a topic in several runs: what an earlier one took away is no damage.
    const bool there = topic != it->second.offsets.end();
    for (auto left = in.le<std::uint32_t>(); left != 0 && in.ok(); --left) {
      std::int32_t partition = 0;
      if (!take_partition(in, partition)) return false;
      if (!there) continue;
      const auto at = place_of(topic->second, partition);
      if (at == topic->second.end() || at->partition != partition) continue;
      bytes_ -= bytes_of_offset(at->metadata.size());
      topic->second.erase(at);
    }
    if (there && topic->second.empty()) drop_topic(it, topic);
  }
  return in.ok();
}

bool group_table::apply_group_removed(byte_reader& in) {
  const auto it = groups_.find(in.text());
  if (it == groups_.end()) return false;
  drop(it);
  return in.ok();
}

bool group_table::apply_topic_forgotten(model::shard_id shard, byte_reader& in) {
  const model::uuid id = take_uuid(in);
  if (!in.ok()) return false;
  const auto of = holders_.find(id);
  if (of == holders_.end()) return true;
  for (const std::string_view key : std::set<std::string_view>(of->second)) {
    const place g = groups_.find(key);
    if (g->second.shard == shard) drop_topic(g, g->second.offsets.find(id));
  }
  return true;
}

void group_table::snapshot(model::shard_id shard, byte_vector& out) const {
  byte_writer w(out);
  w.u8(snapshot_version);
  w.varint(static_cast<std::uint64_t>(
      std::ranges::count_if(groups_, [&](const auto& g) { return g.second.shard == shard; })));
  for (const auto& [key, group] : groups_) {
    if (group.shard != shard) continue;
    w.text(key);
    w.u8(group.generation ? 1 : 0);
    if (group.generation) put_generation(w, *group.generation);
    w.varint(group.offsets.size());
    for (const auto& [id, of] : group.offsets) put_topic(w, id, of);
  }
}

result<void> group_table::restore(model::shard_id shard, bytes snapshot) {
  byte_reader in(snapshot);
  if (in.u8() != snapshot_version) return fault(errc::unsupported, "group snapshot of an unknown version");
  for (auto g = groups_.begin(); g != groups_.end();) g = g->second.shard == shard ? drop(g) : std::next(g);
  const std::uint64_t n = in.varint();
  for (std::uint64_t i = 0; i < n && in.ok(); ++i) {
    const place group = at(shard, in.text());
    if (group->second.shard != shard || !take_group(in, group))
      return fault(errc::corrupt, "group snapshot with a damaged structure");
  }
  if (!in.ok() || !in.at_end()) return fault(errc::corrupt, "group snapshot with a damaged structure");
  return {};
}

}  // namespace weir::broker::groups
