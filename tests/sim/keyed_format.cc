#include "tests/sim/keyed_format.h"

#include <algorithm>

namespace weir::sim_tests {

byte_vector encode_keyed(const keyed_entry& e) {
  byte_vector out;
  byte_writer w(out);
  w.le(e.base);
  w.le(static_cast<std::uint32_t>(e.records.size()));
  for (const auto& r : e.records) {
    w.le(r.delta);
    w.le(r.timestamp_ms);
    w.le(r.key);
    w.le(static_cast<std::uint32_t>(r.tombstone ? 0 : r.value.size() + 1));
    if (!r.tombstone) w.raw(r.value);
  }
  return out;
}

result<keyed_entry> decode_keyed(bytes payload) {
  byte_reader in(payload);
  keyed_entry e;
  e.base = in.le<std::int64_t>();
  const auto n = in.le<std::uint32_t>();
  for (std::uint32_t i = 0; i < n && in.ok(); ++i) {
    keyed_record r;
    r.delta = in.le<std::uint32_t>();
    r.timestamp_ms = in.le<std::int64_t>();
    r.key = in.le<std::uint32_t>();
    const auto length = in.le<std::uint32_t>();
    r.tombstone = length == 0;
    const bytes value = in.view(length == 0 ? 0 : length - 1);
    r.value.assign(value.begin(), value.end());
    e.records.push_back(std::move(r));
  }
  if (!in.ok() || !in.at_end()) return fault{errc::corrupt, "not a keyed entry"};
  return e;
}

namespace {

model::record_view view_of(const keyed_entry& e, const keyed_record& r) {
  model::record_view v;
  v.at = model::offset(e.base + r.delta);
  v.timestamp_ms = r.timestamp_ms;
  v.key = bytes_of(r.key);
  if (!r.tombstone) v.value = bytes(r.value);
  return v;
}

}  // namespace

result<model::entry_facts> keyed_format::inspect(bytes payload, const model::entry_rules&) const {
  const auto e = decode_keyed(payload);
  if (!e) return e.error();
  model::entry_facts facts;
  facts.count = static_cast<std::uint32_t>(e->records.size());
  for (const auto& r : e->records) facts.max_timestamp_ms = std::max(facts.max_timestamp_ms, r.timestamp_ms);
  return facts;
}

std::size_t keyed_format::stamp(bytes, model::offset base, model::epoch, std::optional<std::int64_t>,
                                mutable_bytes head) const {
  store_le(head.data(), base.raw());
  return sizeof(std::int64_t);
}

result<void> keyed_format::for_each(bytes payload, const std::function<bool(const model::record_view&)>& visit) const {
  const auto e = decode_keyed(payload);
  if (!e) return e.error();
  for (const auto& r : e->records) {
    if (!visit(view_of(*e, r))) break;
  }
  return {};
}

result<std::optional<model::found_record>> keyed_format::find_time(bytes payload, std::int64_t from_ms) const {
  const auto e = decode_keyed(payload);
  if (!e) return e.error();
  for (const auto& r : e->records) {
    if (r.timestamp_ms >= from_ms) {
      return std::optional(model::found_record{model::offset(e->base + r.delta), r.timestamp_ms});
    }
  }
  return std::optional<model::found_record>{};
}

result<model::entry_format::filtered> keyed_format::filter(
    bytes payload, const std::function<bool(const model::record_view&)>& keep) const {
  const auto e = decode_keyed(payload);
  if (!e) return e.error();
  keyed_entry kept;
  kept.base = e->base;
  filtered out;
  for (const auto& r : e->records) {
    if (!keep(view_of(*e, r))) continue;
    out.max_timestamp_ms = std::max(out.max_timestamp_ms, r.timestamp_ms);
    kept.records.push_back(r);
  }
  out.records_left = static_cast<std::uint32_t>(kept.records.size());
  out.payload = encode_keyed(kept);
  return out;
}

result<model::producer_facts> keyed_format::producer(bytes payload) const {
  const auto e = decode_keyed(payload);
  if (!e) return e.error();
  return model::producer_facts{};
}

}  // namespace weir::sim_tests
