// The records inside a batch: reading them, and building batches (tests, load generator, tools, compaction).
//
// A record: length varint, attributes i8, timestamp delta varlong, offset delta varint, key (varint length,
// -1 null), value (the same), header count varint, headers {key (not null), value}. All varints are zig-zag.
// Thread: values; a reader borrows from the (decompressed) records section.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/kafka/record_batch.h"

namespace weir::kafka {

struct record_header {
  std::string_view key;
  std::optional<bytes> value;
};

struct record {
  std::int64_t offset = 0;
  std::int64_t timestamp = -1;
  std::int32_t offset_delta = 0;
  std::optional<bytes> key;
  std::optional<bytes> value;
  std::int32_t header_count = 0;
  bytes headers;  // well-formed, for read_headers
  bytes raw;      // the whole record with its length; it stays valid in any batch with the same base offset and
                  // time
};

// Appends the record's headers to `out`.
void read_headers(const record& r, std::vector<record_header>& out);

// Walks the decompressed records of a batch. Every record is checked completely, its headers too.
class record_reader {
 public:
  record_reader(const batch_view& batch, bytes section);
  // False at the end and after a fault.
  [[nodiscard]] bool next(record& r);
  // Null while all is well. After the end it also tells of bytes left over.
  [[nodiscard]] const char* why() const { return why_; }

 private:
  bool fail(const char* why);
  [[nodiscard]] bool parse_body(bytes body, record& r);
  byte_reader in_;
  bytes section_;
  std::int64_t base_offset_;
  std::int64_t base_timestamp_;
  std::int32_t last_offset_delta_;
  std::int32_t left_;
  std::optional<std::int64_t> append_time_;
  std::int32_t previous_delta_ = -1;
  const char* why_ = nullptr;
};

// The records section without compression: a view of the batch, or of `storage` when it had to be opened.
[[nodiscard]] result<bytes> open_records(const batch_view& batch, byte_vector& storage,
                                         const decompression_limits& limits = {});

// Visits records in order until `visit` returns false.
[[nodiscard]] result<void> for_each_record(const batch_view& batch, const std::function<bool(const record&)>& visit,
                                           const decompression_limits& limits = {});

struct batch_options {
  compression codec = compression::none;
  std::int64_t base_offset = 0;
  std::int32_t leader_epoch = -1;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  bool transactional = false;
  bool control = false;
};

class batch_builder {
 public:
  explicit batch_builder(const batch_options& options) : options_(options) {}

  void add(std::int64_t timestamp, std::optional<bytes> key, std::optional<bytes> value,
           const std::vector<record_header>& headers = {});
  [[nodiscard]] std::int32_t count() const { return count_; }
  // Size before compression, with the head.
  [[nodiscard]] std::size_t size() const { return batch_head_bytes + section_.size(); }
  // The batch; the builder is empty again afterwards. Fault: an unknown codec.
  [[nodiscard]] result<byte_vector> finish();

 private:
  batch_options options_;
  byte_vector section_;
  byte_vector scratch_;
  std::int64_t base_timestamp_ = 0;
  std::int64_t max_timestamp_ = -1;
  std::int32_t count_ = 0;
};

}  // namespace weir::kafka
