#include "protocol/kafka/record_batch.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/assert.h"
#include "base/crc32c.h"
#include "protocol/kafka/records.h"

namespace weir::kafka {

result<batch_view> batch_view::parse(bytes in) {
  if (in.size() < batch_length_end) return fault(errc::torn, "a record batch has fewer bytes than its head");
  const auto length = load_be<std::int32_t>(in.data() + batch_at::length);
  // Any format that ever was has its magic here; an older batch is shorter, so the magic is judged first.
  if (in.size() > batch_at::magic && length > 4 && static_cast<std::int8_t>(in[batch_at::magic]) != batch_magic) {
    return fault(
        errc::unsupported,
        "record batch of magic " + std::to_string(static_cast<int>(static_cast<std::int8_t>(in[batch_at::magic]))));
  }
  if (length < static_cast<std::int32_t>(batch_head_bytes - batch_length_end)) {
    return fault(errc::corrupt, "a record batch has an impossible length of " + std::to_string(length));
  }
  const std::size_t size = batch_length_end + static_cast<std::size_t>(length);
  if (size > in.size()) return fault(errc::torn, "a record batch has fewer bytes than its length says");
  return batch_view(in.first(size));
}

std::int32_t batch_view::last_sequence() const {
  if (base_sequence() < 0) return -1;
  const std::int64_t last = std::int64_t{base_sequence()} + last_offset_delta();
  return static_cast<std::int32_t>(last & std::numeric_limits<std::int32_t>::max());
}

bool batch_view::crc_matches() const { return crc32c(b_.subspan(batch_at::attributes)) == crc(); }

result<std::optional<batch_view>> batch_cursor::next() {
  if (rest_.empty()) return std::optional<batch_view>{};
  const result<batch_view> batch = batch_view::parse(rest_);
  if (!batch) {
    if (batch.error().code == errc::torn) return std::optional<batch_view>{};
    return batch.error();
  }
  rest_ = rest_.subspan(batch->size());
  return std::optional(*batch);
}

namespace {

// A record has at least its length, attributes, two deltas, the lengths of key and value, and the number of headers.
constexpr std::size_t least_record_bytes = 7;

// What the head and the size tell. An unopened batch must not take more offsets than its bytes could hold records.
result<void> check_head(const batch_view& batch, const decompression_limits& limits) {
  if (!batch.crc_matches()) return fault(errc::corrupt, "the record batch does not match its checksum");
  if (batch.record_count() <= 0) return fault(errc::invalid, "the record batch has no records");
  const std::size_t most =
      batch.codec() == compression::none ? batch.records().size() : limits.allowed(batch.records().size());
  if (static_cast<std::size_t>(batch.record_count()) > most / least_record_bytes) {
    return fault(errc::invalid, "the record batch counts more records than it can hold");
  }
  if (batch.last_offset_delta() != batch.record_count() - 1) {
    return fault(errc::invalid, "the record batch counts " + std::to_string(batch.record_count()) +
                                    " records but its last offset delta is " +
                                    std::to_string(batch.last_offset_delta()));
  }
  if (batch.control()) return fault(errc::invalid, "clients may not write control batches");
  if (batch.log_append_time()) return fault(errc::invalid, "producers may not set the log append time");
  if (batch.codec() > compression::zstd) {
    return fault(errc::unsupported, "unknown compression " + std::to_string(static_cast<int>(batch.codec())));
  }
  if (batch.producer_id() >= 0 && batch.producer_epoch() < 0) {
    return fault(errc::invalid, "the record batch has a producer id without an epoch");
  }
  if (batch.producer_id() >= 0 && batch.base_sequence() < 0) {
    return fault(errc::invalid, "the record batch has a producer id without a sequence number");
  }
  if (batch.transactional() && batch.producer_id() < 0) {
    return fault(errc::invalid, "the record batch is transactional without a producer id");
  }
  return {};
}

// A varint as it stands; false at `end`, or when it is too long to be one.
bool take_varint(const std::byte*& p, const std::byte* end, std::uint64_t& v) {
  v = 0;
  for (unsigned shift = 0; p != end && shift < 70; shift += 7) {
    const auto b = std::to_integer<std::uint64_t>(*p++);
    v |= (b & 0x7f) << shift;
    if (b < 0x80) return true;
  }
  return false;
}

// Records that are not compressed: as many as the head counts, their offsets consecutive, and nothing behind them. What
// is in them besides is their readers' business. A fifth of the cost of reading each, because every batch pays it.
result<void> check_plain(const batch_view& batch) {
  const fault wrong(errc::invalid, "the records of the batch are not what its head says");
  const bytes records = batch.records();
  const std::byte* p = records.data();
  const std::byte* const end = p + records.size();
  for (std::int32_t i = 0; i < batch.record_count(); ++i) {
    std::uint64_t length = 0;
    if (!take_varint(p, end, length) || (length & 1) != 0) return wrong;  // odd: negative
    length >>= 1;
    if (length == 0 || length > static_cast<std::uint64_t>(end - p)) return wrong;
    const std::byte* const next = p + length;
    ++p;  // attributes
    std::uint64_t time_delta = 0;
    std::uint64_t offset_delta = 0;
    if (!take_varint(p, next, time_delta) || !take_varint(p, next, offset_delta)) return wrong;
    if (offset_delta != static_cast<std::uint64_t>(i) << 1) return wrong;
    p = next;
  }
  return p == end ? result<void>() : wrong;
}

}  // namespace

result<batch_check> check_section(const batch_view& batch, bytes section, bool keys_required) {
  record_reader in(batch, section);
  record r;
  batch_check seen{std::numeric_limits<std::int64_t>::max(), -1};
  for (std::int32_t i = 0; in.next(r); ++i) {
    if (r.offset_delta != i) return fault(errc::invalid, "the offsets of the record batch are not consecutive");
    if (keys_required && !r.key) return fault(errc::invalid, "a compacted topic takes no record without a key");
    seen.min_timestamp = std::min(seen.min_timestamp, r.timestamp);
    seen.max_timestamp = std::max(seen.max_timestamp, r.timestamp);
  }
  // The checksum was right: this is how it was sent.
  if (in.why() != nullptr) return fault(errc::invalid, in.why());
  return seen;
}

result<batch_check> check_produced(bytes in, const batch_rules& rules) {
  if (rules.bytes_max != 0 && in.size() > rules.bytes_max) {
    return fault(errc::out_of_range, "the record batch has " + std::to_string(in.size()) + " bytes, " +
                                         std::to_string(rules.bytes_max) + " are allowed");
  }
  const result<batch_view> batch = batch_view::parse(in);
  // No whole batch: this is how it was sent, and sending it again would not help (corrupt would ask for that).
  // `unsupported` is said of codecs alone, which have an error of their own.
  if (!batch && batch.error().code != errc::corrupt) return fault(errc::invalid, batch.error().text);
  if (!batch) return batch.error();
  if (batch->size() != in.size()) return fault(errc::invalid, "more than one record batch");
  if (result<void> head = check_head(*batch, rules.limits); !head) return head.error();
  if (rules.open_records || rules.keys_required) {
    byte_vector storage;
    const result<bytes> section = open_records(*batch, storage, rules.limits);
    if (!section) return section.error();
    return check_section(*batch, *section, rules.keys_required);
  }
  if (batch->codec() == compression::none) {
    if (result<void> plain = check_plain(*batch); !plain) return plain.error();
  }
  return batch_check{batch->base_timestamp(), batch->max_timestamp()};
}

std::size_t stamp_head(const batch_view& batch, std::int64_t base_offset, std::int32_t leader_epoch,
                       std::optional<std::int64_t> append_time_ms, mutable_bytes head) {
  WEIR_ASSERT(head.size() >= batch_head_bytes);
  std::memcpy(head.data(), batch.whole().data(), batch_head_bytes);
  store_be(head.data() + batch_at::base_offset, base_offset);
  store_be(head.data() + batch_at::leader_epoch, leader_epoch);
  if (!append_time_ms) return batch_stamp_bytes;
  store_be(head.data() + batch_at::attributes,
           static_cast<std::int16_t>(batch.attributes() | batch_bits::log_append_time));
  store_be(head.data() + batch_at::max_timestamp, *append_time_ms);
  const bytes covered = bytes(head).first(batch_head_bytes).subspan(batch_at::attributes);
  store_be(head.data() + batch_at::crc, crc32c(batch.records(), crc32c(covered)));
  return batch_head_bytes;
}

void seal_batch(mutable_bytes batch) {
  WEIR_ASSERT(batch.size() >= batch_head_bytes);
  store_be(batch.data() + batch_at::length, static_cast<std::int32_t>(batch.size() - batch_length_end));
  store_be(batch.data() + batch_at::crc, crc32c(bytes(batch).subspan(batch_at::attributes)));
}

}  // namespace weir::kafka
