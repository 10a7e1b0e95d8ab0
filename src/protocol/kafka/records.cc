#include "protocol/kafka/records.h"

#include <algorithm>
#include <limits>

namespace weir::kafka {
namespace {

constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

// A key or value: a length, -1 for null, then the bytes. Anything else makes the reader bad.
std::optional<bytes> read_blob(byte_reader& in) {
  const std::int64_t n = in.zigzag();
  if (n == -1) return std::nullopt;
  if (n < 0 || n > int32_max) {
    in.fail();
    return std::nullopt;
  }
  return in.view(static_cast<std::size_t>(n));
}

void write_blob(byte_writer& out, const std::optional<bytes>& b) {
  if (!b) return out.zigzag(-1);
  out.zigzag(static_cast<std::int64_t>(b->size()));
  out.raw(*b);
}

// The timestamps of a peer may be anything; their sums wrap instead of overflowing.
std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

}  // namespace

void read_headers(const record& r, std::vector<record_header>& out) {
  byte_reader in(r.headers);
  for (std::int32_t i = 0; i < r.header_count && in.ok(); ++i) {
    record_header h;
    h.key = as_text(read_blob(in).value_or(bytes{}));
    h.value = read_blob(in);
    if (in.ok()) out.push_back(h);
  }
}

record_reader::record_reader(const batch_view& batch, bytes section)
    : in_(section),
      section_(section),
      base_offset_(batch.base_offset()),
      base_timestamp_(batch.base_timestamp()),
      last_offset_delta_(batch.last_offset_delta()),
      left_(batch.record_count()) {
  if (batch.log_append_time()) append_time_ = batch.max_timestamp();
  if (left_ < 0) fail("a record batch has a negative count");
}

bool record_reader::fail(const char* why) {
  if (why_ == nullptr) why_ = why;
  left_ = 0;
  return false;
}

bool record_reader::next(record& r) {
  if (why_ != nullptr) return false;
  if (left_ == 0) return in_.at_end() ? false : fail("bytes are left over after the last record");
  --left_;
  const std::size_t start = in_.position();
  const std::int64_t length = in_.zigzag();
  if (!in_.ok() || length < 0 || static_cast<std::uint64_t>(length) > in_.remaining()) {
    return fail("a record has an impossible length");
  }
  const bytes body = in_.view(static_cast<std::size_t>(length));
  r.raw = section_.subspan(start, in_.position() - start);
  return parse_body(body, r);
}

bool record_reader::parse_body(bytes body, record& r) {
  byte_reader in(body);
  in.skip(1);  // attributes: none are defined
  const std::int64_t time_delta = in.zigzag();
  const std::int64_t offset_delta = in.zigzag();
  r.key = read_blob(in);
  r.value = read_blob(in);
  const std::int64_t headers = in.zigzag();
  if (!in.ok() || offset_delta <= previous_delta_ || offset_delta > last_offset_delta_) {
    return fail("a record is damaged");
  }
  // A header takes at least two bytes.
  if (headers < 0 || static_cast<std::uint64_t>(headers) > in.remaining() / 2)
    return fail("a record has an impossible header count");
  r.headers = body.subspan(in.position());
  r.header_count = static_cast<std::int32_t>(headers);
  for (std::int64_t i = 0; i < headers; ++i) {
    if (!read_blob(in)) return fail("a record header has no key");
    (void)read_blob(in);
  }
  if (!in.ok() || !in.at_end()) return fail("a record's headers do not fill it");
  previous_delta_ = r.offset_delta = static_cast<std::int32_t>(offset_delta);
  r.offset = wrapping_add(base_offset_, offset_delta);
  r.timestamp = append_time_ ? *append_time_ : wrapping_add(base_timestamp_, time_delta);
  return true;
}

result<bytes> open_records(const batch_view& batch, byte_vector& storage, const decompression_limits& limits) {
  if (batch.codec() == compression::none) return batch.records();
  if (batch.record_count() == 0 && batch.records().empty()) return bytes{};
  result<byte_vector> opened = decompress(batch.codec(), batch.records(), limits);
  if (!opened) return opened.error();
  storage = std::move(*opened);
  return bytes(storage);
}

result<void> for_each_record(const batch_view& batch, const std::function<bool(const record&)>& visit,
                             const decompression_limits& limits) {
  byte_vector storage;
  const result<bytes> section = open_records(batch, storage, limits);
  if (!section) return section.error();
  record_reader in(batch, *section);
  record r;
  while (in.next(r)) {
    if (!visit(r)) return {};
  }
  if (in.why() != nullptr) return fault(errc::corrupt, in.why());
  return {};
}

void batch_builder::add(std::int64_t timestamp, std::optional<bytes> key, std::optional<bytes> value,
                        const std::vector<record_header>& headers) {
  if (count_ == 0) base_timestamp_ = timestamp;
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  scratch_.clear();
  byte_writer body(scratch_);
  body.u8(0);
  body.zigzag(timestamp - base_timestamp_);
  body.zigzag(count_);
  write_blob(body, key);
  write_blob(body, value);
  body.zigzag(static_cast<std::int64_t>(headers.size()));
  for (const record_header& h : headers) {
    write_blob(body, as_bytes(h.key));
    write_blob(body, h.value);
  }
  byte_writer section(section_);
  section.zigzag(static_cast<std::int64_t>(scratch_.size()));
  section.raw(scratch_);
  ++count_;
}

result<byte_vector> batch_builder::finish() {
  byte_vector out;
  out.reserve(size());
  byte_writer to(out);
  to.be(options_.base_offset);
  to.be<std::int32_t>(0);  // length: seal_batch
  to.be(options_.leader_epoch);
  to.u8(batch_magic);
  to.be<std::uint32_t>(0);  // checksum: seal_batch
  to.be(static_cast<std::int16_t>(static_cast<int>(options_.codec) |
                                  (options_.transactional ? batch_bits::transactional : 0) |
                                  (options_.control ? batch_bits::control : 0)));
  to.be<std::int32_t>(count_ - 1);
  to.be(base_timestamp_);
  to.be(max_timestamp_);
  to.be(options_.producer_id);
  to.be(options_.producer_epoch);
  to.be(options_.base_sequence);
  to.be(count_);
  if (options_.codec == compression::none) {
    to.raw(section_);
  } else {
    const result<byte_vector> small = compress(options_.codec, section_);
    if (!small) return small.error();
    to.raw(*small);
  }
  seal_batch(out);
  section_.clear();
  count_ = 0;
  max_timestamp_ = -1;
  return out;
}

}  // namespace weir::kafka
