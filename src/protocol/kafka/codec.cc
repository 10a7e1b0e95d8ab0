#include "protocol/kafka/codec.h"

#include <algorithm>
#include <string>

#include "base/assert.h"

namespace weir::kafka {

const api_info* find_api(std::int16_t key) noexcept {
  const auto at =
      std::ranges::lower_bound(api_table, key, {}, [](const api_info& a) { return static_cast<std::int16_t>(a.key); });
  return at != api_table.end() && static_cast<std::int16_t>(at->key) == key ? &*at : nullptr;
}

const api_info& info_of(api_key key) noexcept {
  const api_info* info = find_api(static_cast<std::int16_t>(key));
  WEIR_ASSERT(info != nullptr);
  return *info;
}

// --- headers

result<request_header> decode_request_header(bytes frame) {
  byte_reader in(frame);
  request_header h;
  h.key = in.be<std::int16_t>();
  h.version = in.be<std::int16_t>();
  h.correlation_id = in.be<std::int32_t>();
  if (!in.ok()) return fault(errc::invalid, "a request of " + std::to_string(frame.size()) + " bytes has no header");
  const api_info* info = find_api(h.key);
  h.supported = info != nullptr && h.version >= info->min && h.version <= info->max;
  if (!h.supported) return h;
  // The client id has a 2-byte length even in the flexible header.
  decoder id(frame.subspan(in.position()), h.version, false);
  id.field(h.client_id);
  decoder tags(id.rest(), h.version, h.version >= info->first_flexible);
  tags.no_tags();
  if (!id.ok() || !tags.ok())
    return fault(errc::invalid,
                 std::string("the header of a request of API ") + std::string(info->name) + " ends too early");
  h.body = tags.rest();
  return h;
}

namespace {

bool response_header_has_tags(api_key key, std::int16_t version) {
  const api_info& info = info_of(key);
  return info.response_header == -1 ? version >= info.first_flexible : info.response_header > 0;
}

frame_mark begin_frame(protocol::output& out) {
  const frame_mark mark{out.tail().size(), out.size()};
  out.tail().resize(mark.place + 4);
  return mark;
}

}  // namespace

result<response_header> decode_response_header(bytes frame, api_key key, std::int16_t version) {
  decoder in(frame, version, response_header_has_tags(key, version));
  response_header h;
  in.field(h.correlation_id);
  in.no_tags();
  if (!in.ok()) return fault(errc::invalid, "the header of a response ends too early");
  h.body = in.rest();
  return h;
}

frame_mark begin_response(protocol::output& out, api_key key, std::int16_t version, std::int32_t correlation_id) {
  const frame_mark mark = begin_frame(out);
  encoder to(out, version, response_header_has_tags(key, version));
  to.field(correlation_id);
  to.no_tags();
  return mark;
}

frame_mark begin_request(protocol::output& out, api_key key, std::int16_t version, std::int32_t correlation_id,
                         std::optional<std::string_view> client_id) {
  const frame_mark mark = begin_frame(out);
  encoder fixed_part(out, version, false);
  fixed_part.field(static_cast<std::int16_t>(key));
  fixed_part.field(version);
  fixed_part.field(correlation_id);
  fixed_part.field(client_id);
  encoder(out, version, is_flexible(key, version)).no_tags();
  return mark;
}

void end_frame(protocol::output& out, frame_mark mark) {
  out.patch_be32(mark.place, static_cast<std::uint32_t>(out.size() - mark.start - 4));
}

// --- decoder

std::uint32_t decoder::varint() {
  std::uint32_t v = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const std::uint8_t b = fixed<std::uint8_t>();
    if (!ok()) return 0;
    if (shift == 28 && b > 15) break;  // the fifth byte holds four bits
    v |= static_cast<std::uint32_t>(b & 0x7f) << shift;
    if ((b & 0x80) == 0) return v;
  }
  fail("a variable-length number is too long");
  return 0;
}

std::int64_t decoder::text_length() {
  const std::int64_t n =
      flexible_ ? static_cast<std::int64_t>(varint()) - 1 : static_cast<std::int64_t>(fixed<std::int16_t>());
  if (!ok()) return -1;
  if (n < -1 || n > static_cast<std::int64_t>(text_bytes_max)) {
    fail("a text has an impossible length");
    return -1;
  }
  return n;
}

std::int64_t decoder::blob_length() {
  const std::int64_t n =
      flexible_ ? static_cast<std::int64_t>(varint()) - 1 : static_cast<std::int64_t>(fixed<std::int32_t>());
  if (!ok()) return -1;
  if (n < -1) {
    fail("a length is negative");
    return -1;
  }
  return n;
}

std::int64_t decoder::count(std::size_t least_size, std::size_t memory_each) {
  const std::int64_t n = blob_length();
  if (n <= 0) return n;
  const auto many = static_cast<std::size_t>(n);
  if (many > static_cast<std::size_t>(end_ - p_) / least_size) {
    fail("a list counts more elements than there are bytes for");
    return -1;
  }
  if (many > budget_ / memory_each) {
    fail("the message has more list elements than the codec takes");
    return -1;
  }
  if (many > items_) {
    fail("the request has more list elements than are taken (250,000)");
    return -1;
  }
  items_ -= many;
  budget_ -= many * memory_each;
  return n;
}

bytes decoder::take(std::int64_t n) {
  if (n <= 0) return {};
  const auto size = static_cast<std::size_t>(n);
  if (size > static_cast<std::size_t>(end_ - p_)) {
    fail("ends too early");
    return {};
  }
  const bytes b(p_, size);
  p_ += size;
  return b;
}

void decoder::field(uuid& v) {
  const bytes b = take(sizeof v.data);
  if (ok()) std::memcpy(v.data.data(), b.data(), sizeof v.data);
}

void decoder::field(std::string_view& v) {
  const std::int64_t n = text_length();
  if (n < 0 && ok()) fail("null where a text must be");
  v = as_text(take(n));
}

void decoder::field(std::optional<std::string_view>& v) {
  const std::int64_t n = text_length();
  if (n < 0) return v.reset();
  v = as_text(take(n));
}

void decoder::field(bytes& v) {
  const std::int64_t n = blob_length();
  if (n < 0 && ok()) fail("null where bytes must be");
  v = take(n);
}

void decoder::field(std::optional<bytes>& v) {
  const std::int64_t n = blob_length();
  if (n < 0) return v.reset();
  v = take(n);
}

void decoder::field(records& v) {
  const std::int64_t n = blob_length();
  v.null = n < 0;
  v.data = take(n);
}

// --- encoder

void encoder::varint(std::uint32_t v) {
  while (v >= 0x80) {
    buffer_->push_back(static_cast<std::byte>(v | 0x80));
    v >>= 7;
  }
  buffer_->push_back(static_cast<std::byte>(v));
}

void encoder::length(std::int64_t n) {
  if (flexible_) return varint(static_cast<std::uint32_t>(n + 1));
  fixed(static_cast<std::int32_t>(n));
}

void encoder::field(std::string_view v) {
  v = v.substr(0, text_bytes_max);
  if (flexible_)
    varint(static_cast<std::uint32_t>(v.size() + 1));
  else
    fixed(static_cast<std::int16_t>(v.size()));
  raw(as_bytes(v));
}

void encoder::field(const std::optional<std::string_view>& v) {
  if (v) return field(*v);
  if (flexible_)
    varint(0);
  else
    fixed(std::int16_t{-1});
}

void encoder::field(bytes v) {
  length(static_cast<std::int64_t>(v.size()));
  raw(v);
}

void encoder::field(const std::optional<bytes>& v) {
  if (v) return field(*v);
  length(-1);
}

void encoder::field(const records& v) {
  if (v.null) return length(-1);
  if (v.pieces.empty()) return field(v.data);
  length(static_cast<std::int64_t>(v.size()));
  for (const model::shared_bytes& piece : v.pieces) out_->share(piece);
  buffer_ = &out_->tail();
}

// --- messages

fault decode_fault(const decoder& in, bytes body) {
  if (in.ok()) {
    return {errc::invalid, std::to_string(in.rest().size()) + " bytes left over after a message of " +
                               std::to_string(body.size() - in.rest().size()) + " bytes"};
  }
  return {errc::invalid, std::string("a message of ") + std::to_string(body.size()) + " bytes: " + in.why()};
}

fault version_fault(std::int16_t version) {
  return {errc::unsupported, "version " + std::to_string(version) + " of this message is not supported"};
}

void assert_version(bool in_range) { WEIR_ASSERT(in_range); }

}  // namespace weir::kafka
