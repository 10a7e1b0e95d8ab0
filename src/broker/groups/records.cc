#include "broker/groups/records.h"

#include <algorithm>

namespace weir::broker::groups {
namespace {

// A member takes at least this many bytes: six texts' lengths, a flag, two timeouts.
constexpr std::size_t member_bytes_min = 6 * 4 + 1 + 8;

void put_bytes(byte_writer& out, bytes b) { out.text(as_text(b)); }
byte_vector take_bytes(byte_reader& in) {
  const bytes b = in.view(in.le<std::uint32_t>());
  return {b.begin(), b.end()};
}

void put_member(byte_writer& out, const stored_member& m) {
  out.text(m.id);
  out.u8(m.instance ? 1 : 0);
  out.text(m.instance.value_or(""));
  out.text(m.client_id);
  out.text(m.host);
  out.le(m.session_timeout_ms);
  out.le(m.rebalance_timeout_ms);
  put_bytes(out, m.metadata);
  put_bytes(out, m.assignment);
}

void take_member(byte_reader& in, stored_member& m) {
  m.id = in.text();
  const bool is_static = in.u8() != 0;
  const std::string_view instance = in.text();
  if (is_static) m.instance = instance;
  m.client_id = in.text();
  m.host = in.text();
  m.session_timeout_ms = in.le<std::int32_t>();
  m.rebalance_timeout_ms = in.le<std::int32_t>();
  m.metadata = take_bytes(in);
  m.assignment = take_bytes(in);
}

}  // namespace

void put_uuid(byte_writer& out, const model::uuid& id) { out.raw(std::as_bytes(std::span(id.data))); }

model::uuid take_uuid(byte_reader& in) {
  model::uuid id;
  const bytes b = in.view(id.data.size());
  if (in.ok()) std::memcpy(id.data.data(), b.data(), id.data.size());
  return id;
}

void put_generation(byte_writer& out, const stored_generation& g) {
  out.le(g.number);
  out.text(g.protocol_type);
  out.u8(g.protocol ? 1 : 0);
  out.text(g.protocol.value_or(""));
  out.text(g.leader);
  out.le(g.changed_ms);
  out.varint(g.members.size());
  for (const stored_member& m : g.members) put_member(out, m);
}

bool take_generation(byte_reader& in, stored_generation& g) {
  g = {};
  g.number = in.le<std::int32_t>();
  g.protocol_type = in.text();
  const bool has_protocol = in.u8() != 0;
  const std::string_view protocol = in.text();
  if (has_protocol) g.protocol = protocol;
  g.leader = in.text();
  g.changed_ms = in.le<std::int64_t>();
  const std::uint64_t n = in.varint();
  if (!in.ok() || n > in.remaining() / member_bytes_min) return false;
  g.members.resize(n);
  for (stored_member& m : g.members) take_member(in, m);
  return in.ok();
}

void write_metadata(byte_vector& out, std::string_view key, const stored_generation& g) {
  byte_writer w(out);
  w.text(key);
  put_generation(w, g);
}

void run_writer::topic(const model::uuid& id) {
  if (count_place_ != 0 && id == current_) return;
  finish();
  current_ = id;
  put_uuid(out_, id);
  count_place_ = out_.size();
  out_.le(std::uint32_t{0});
}

void run_writer::offset(std::int32_t p, model::offset at, model::epoch leader_epoch, std::string_view metadata) {
  partition(p);
  out_.le(at.raw());
  out_.le(leader_epoch.raw());
  out_.varint(metadata.size());
  out_.raw(as_bytes(metadata));
}

void run_writer::partition(std::int32_t p) {
  out_.varint(static_cast<std::uint32_t>(p));
  ++count_;
  ++items_;
}

void run_writer::finish() {
  if (count_place_ != 0) store_le(out_.buffer().data() + count_place_, count_);
  count_place_ = 0;
  count_ = 0;
}

void begin_offsets(byte_vector& out, std::string_view key, std::int64_t commit_ms, std::int64_t expire_ms) {
  byte_writer w(out);
  w.text(key);
  w.le(commit_ms);
  w.le(expire_ms);
}

void begin_offsets_removed(byte_vector& out, std::string_view key) { byte_writer(out).text(key); }

}  // namespace weir::broker::groups
