#include "protocol/kafka/record_batch.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

#include "base/crc32c.h"
#include "protocol/kafka/records.h"

namespace weir::kafka {
namespace {

constexpr std::array all_codecs = {compression::none, compression::gzip, compression::snappy, compression::lz4,
                                   compression::zstd};

byte_vector simple_batch(batch_options options = {}, int count = 3) {
  batch_builder b(options);
  for (int i = 0; i < count; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::string value = "value" + std::to_string(i);
    b.add(1000 + i * 10, as_bytes(key), as_bytes(value), {{"h", as_bytes(key)}, {"empty", std::nullopt}});
  }
  return *b.finish();
}

template<class T>
void set(byte_vector& batch, std::size_t place, T value) {
  store_be(batch.data() + place, value);
}

errc code_of(const byte_vector& batch, const batch_rules& rules = {}) {
  const auto r = check_produced(batch, rules);
  return r ? errc::ok : r.error().code;
}

// A batch with one record, 1700000000000 ms, key "k", value "v", worked out by hand from the format's
// description.
TEST(kafka_record_batch, bytes_are_as_described) {
  batch_builder b({});
  b.add(1700000000000, as_bytes("k"), as_bytes("v"));
  const byte_vector batch = *b.finish();
  ASSERT_EQ(batch.size(), 61U + 9U);
  const std::array<std::uint8_t, 9> record = {0x10, 0, 0, 0, 2, 'k', 2, 'v', 0};
  EXPECT_EQ(std::memcmp(batch.data() + 61, record.data(), record.size()), 0);
  EXPECT_EQ(load_be<std::int32_t>(batch.data() + 8), 58);
  EXPECT_EQ(load_be<std::int64_t>(batch.data() + 27), 1700000000000);
  EXPECT_EQ(load_be<std::uint32_t>(batch.data() + 17), crc32c(bytes(batch).subspan(21)));
  EXPECT_EQ(static_cast<int>(batch[16]), 2);
}

TEST(kafka_record_batch, records_survive_every_codec) {
  for (const compression codec : all_codecs) {
    const byte_vector data = simple_batch(
        {.codec = codec, .base_offset = 500, .producer_id = 9, .producer_epoch = 1, .base_sequence = 4}, 50);
    const auto batch = batch_view::parse(data);
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->codec(), codec);
    EXPECT_TRUE(batch->crc_matches());
    EXPECT_EQ(batch->last_offset(), 549);
    EXPECT_EQ(batch->last_sequence(), 53);
    EXPECT_EQ(batch->max_timestamp(), 1490);
    int seen = 0;
    const auto walked = for_each_record(*batch, [&](const record& r) {
      EXPECT_EQ(r.offset, 500 + seen);
      EXPECT_EQ(r.timestamp, 1000 + seen * 10);
      EXPECT_EQ(as_text(*r.key), "key" + std::to_string(seen));
      EXPECT_EQ(as_text(*r.value), "value" + std::to_string(seen));
      std::vector<record_header> headers;
      read_headers(r, headers);
      EXPECT_EQ(headers.size(), 2U);
      EXPECT_EQ(headers[0].key, "h");
      EXPECT_EQ(as_text(*headers[0].value), as_text(*r.key));
      EXPECT_FALSE(headers[1].value.has_value());
      ++seen;
      return true;
    });
    EXPECT_TRUE(walked) << walked.error().describe();
    EXPECT_EQ(seen, 50);
    const auto checked = check_produced(data, {.keys_required = true, .open_records = true});
    ASSERT_TRUE(checked) << checked.error().describe();
    EXPECT_EQ(checked->min_timestamp, 1000);
    EXPECT_EQ(checked->max_timestamp, 1490);
  }
}

TEST(kafka_record_batch, null_keys_and_values_are_not_empty_ones) {
  batch_builder b({});
  b.add(1, std::nullopt, as_bytes(""));
  b.add(0, as_bytes(""), std::nullopt);
  const byte_vector data = *b.finish();
  std::vector<record> seen;
  ASSERT_TRUE(for_each_record(*batch_view::parse(data), [&](const record& r) {
    seen.push_back(r);
    return true;
  }));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_FALSE(seen[0].key);
  EXPECT_TRUE(seen[0].value && seen[0].value->empty());
  EXPECT_TRUE(seen[1].key && seen[1].key->empty());
  EXPECT_FALSE(seen[1].value);
  EXPECT_EQ(seen[1].timestamp, 0);
}

TEST(kafka_record_batch, a_stamp_leaves_the_checksum_alone_without_append_time) {
  byte_vector data = simple_batch();
  std::array<std::byte, 64> head{};
  const std::size_t n = stamp_head(*batch_view::parse(data), 1234567, 7, std::nullopt, head);
  EXPECT_EQ(n, 16U);
  std::memcpy(data.data(), head.data(), n);
  const auto batch = batch_view::parse(data);
  EXPECT_EQ(batch->base_offset(), 1234567);
  EXPECT_EQ(batch->leader_epoch(), 7);
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_EQ(batch->record_count(), 3);
}

TEST(kafka_record_batch, log_append_time_is_the_time_of_every_record) {
  for (const compression codec : all_codecs) {
    byte_vector data = simple_batch({.codec = codec});
    std::array<std::byte, 64> head{};
    const std::size_t n = stamp_head(*batch_view::parse(data), 10, 0, 77777, head);
    ASSERT_EQ(n, batch_head_bytes);
    std::memcpy(data.data(), head.data(), n);
    const auto batch = batch_view::parse(data);
    EXPECT_TRUE(batch->crc_matches());
    EXPECT_TRUE(batch->log_append_time());
    EXPECT_EQ(batch->base_timestamp(), 1000);
    ASSERT_TRUE(for_each_record(*batch, [](const record& r) {
      EXPECT_EQ(r.timestamp, 77777);
      return true;
    }));
  }
}

TEST(kafka_record_batch, sequences_wrap_to_zero) {
  const byte_vector data = simple_batch(
      {.producer_id = 1, .producer_epoch = 0, .base_sequence = std::numeric_limits<std::int32_t>::max() - 1});
  EXPECT_EQ(batch_view::parse(data)->last_sequence(), 0);
  EXPECT_EQ(batch_view::parse(simple_batch())->last_sequence(), -1);
}

TEST(kafka_record_batch, the_cursor_stops_before_an_unfinished_batch) {
  byte_vector all = simple_batch();
  const std::size_t one = all.size();
  const byte_vector second = simple_batch({.base_offset = 3});
  all.insert(all.end(), second.begin(), second.end());
  for (std::size_t n = 0; n <= all.size(); ++n) {
    batch_cursor in(bytes(all).first(n));
    std::size_t seen = 0;
    while (true) {
      const auto next = in.next();
      ASSERT_TRUE(next);
      if (!*next) break;
      ++seen;
    }
    EXPECT_EQ(seen, n / one);
    EXPECT_EQ(in.rest().size(), n % one);
  }
}

TEST(kafka_record_batch, older_formats_and_nonsense_are_refused) {
  byte_vector data = simple_batch();
  data[16] = std::byte{1};
  EXPECT_EQ(batch_view::parse(data).error().code, errc::unsupported);
  data = simple_batch();
  for (const std::int32_t length : {-1, 0, 48, std::numeric_limits<std::int32_t>::min()}) {
    set(data, batch_at::length, length);
    EXPECT_EQ(batch_view::parse(data).error().code, errc::corrupt) << length;
  }
  set(data, batch_at::length, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(batch_view::parse(data).error().code, errc::torn);
}

TEST(kafka_record_batch, the_last_offset_wraps_whatever_the_base_is) {
  byte_vector data = simple_batch();
  set<std::int64_t>(data, batch_at::base_offset, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(batch_view::parse(data)->last_offset(), std::numeric_limits<std::int64_t>::min() + 1);
  set<std::int64_t>(data, batch_at::base_offset, std::numeric_limits<std::int64_t>::min());
  set<std::int32_t>(data, batch_at::last_offset_delta, -1);
  EXPECT_EQ(batch_view::parse(data)->last_offset(), std::numeric_limits<std::int64_t>::max());
}

// --- what a producer may send

TEST(kafka_produced_batch, any_damage_is_found) {
  const byte_vector good = simple_batch();
  ASSERT_EQ(code_of(good), errc::ok);
  for (std::size_t at = batch_at::crc; at < good.size(); ++at) {
    byte_vector bad = good;
    bad[at] ^= std::byte{0x10};
    EXPECT_EQ(code_of(bad), errc::corrupt) << at;
  }
  for (std::size_t n = 0; n < good.size(); ++n) {
    EXPECT_EQ(code_of(byte_vector(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n))), errc::invalid);
  }
}

TEST(kafka_produced_batch, exactly_one_batch_within_the_size) {
  byte_vector data = simple_batch();
  EXPECT_EQ(code_of(data, {.bytes_max = data.size()}), errc::ok);
  EXPECT_EQ(code_of(data, {.bytes_max = data.size() - 1}), errc::out_of_range);
  const byte_vector copy = data;
  data.insert(data.end(), copy.begin(), copy.end());
  EXPECT_EQ(code_of(data), errc::invalid);
}

TEST(kafka_produced_batch, what_clients_may_not_write_is_refused) {
  EXPECT_EQ(code_of(simple_batch({.control = true})), errc::invalid);
  EXPECT_EQ(code_of(simple_batch({.transactional = true})), errc::invalid);
  EXPECT_EQ(code_of(simple_batch({.producer_id = 4})), errc::invalid);
  EXPECT_EQ(code_of(simple_batch({.producer_id = 4, .producer_epoch = 0})), errc::invalid);
  EXPECT_EQ(code_of(simple_batch({.producer_id = 4, .producer_epoch = 0, .base_sequence = 0, .transactional = true})),
            errc::ok);
  EXPECT_EQ(code_of(simple_batch({}, 0)), errc::invalid);
  byte_vector data = simple_batch();
  set<std::int16_t>(data, batch_at::attributes, batch_bits::log_append_time);
  seal_batch(data);
  EXPECT_EQ(code_of(data), errc::invalid);
  data = simple_batch();
  set<std::int16_t>(data, batch_at::attributes, 5);
  seal_batch(data);
  EXPECT_EQ(code_of(data), errc::unsupported);
}

TEST(kafka_produced_batch, counts_must_agree) {
  byte_vector data = simple_batch();
  set<std::int32_t>(data, batch_at::record_count, 4);
  seal_batch(data);
  EXPECT_EQ(code_of(data), errc::invalid);
  // The head agrees with itself but not with the records: found when the records are opened, on either side.
  set<std::int32_t>(data, batch_at::last_offset_delta, 3);
  seal_batch(data);
  EXPECT_EQ(code_of(data), errc::invalid);
  EXPECT_EQ(code_of(data, {.open_records = true}), errc::invalid);
  set<std::int32_t>(data, batch_at::record_count, 2);
  set<std::int32_t>(data, batch_at::last_offset_delta, 1);
  seal_batch(data);
  EXPECT_EQ(code_of(data), errc::invalid);
  EXPECT_EQ(code_of(data, {.open_records = true}), errc::invalid);
  // What is compressed is opened only for a reason.
  byte_vector squeezed = simple_batch({.codec = compression::lz4});
  set<std::int32_t>(squeezed, batch_at::record_count, 2);
  set<std::int32_t>(squeezed, batch_at::last_offset_delta, 1);
  seal_batch(squeezed);
  EXPECT_EQ(code_of(squeezed), errc::ok);
  EXPECT_EQ(code_of(squeezed, {.open_records = true}), errc::invalid);
}

// Records without compression are walked: lengths and offsets, not what is in them.
TEST(kafka_produced_batch, plain_records_must_be_what_the_head_says) {
  const byte_vector good = simple_batch();
  ASSERT_EQ(code_of(good), errc::ok);
  const std::size_t first = batch_at::records;
  const auto with = [&](std::size_t at, int value) {
    byte_vector bad = good;
    bad[at] = static_cast<std::byte>(value);
    seal_batch(bad);
    return code_of(bad);
  };
  EXPECT_EQ(with(first, 0x7e), errc::invalid);      // a length beyond the end
  EXPECT_EQ(with(first, 0x01), errc::invalid);      // a negative one
  EXPECT_EQ(with(first, 0x00), errc::invalid);      // none
  EXPECT_EQ(with(first, 0xff), errc::invalid);      // a varint that goes on
  EXPECT_EQ(with(first + 3, 0x02), errc::invalid);  // an offset delta of 1 in the first record
  byte_vector longer = good;
  longer.push_back(std::byte{0});
  seal_batch(longer);
  EXPECT_EQ(code_of(longer), errc::invalid);
  EXPECT_EQ(with(good.size() - 2, 'x'), errc::ok);  // a text
}

TEST(kafka_produced_batch, other_formats_are_invalid_and_not_an_unknown_codec) {
  for (const int magic : {0, 1, 3, 127}) {
    byte_vector data = simple_batch();
    data[batch_at::magic] = std::byte(magic);
    EXPECT_EQ(code_of(data), errc::invalid) << magic;
  }
}

TEST(kafka_produced_batch, no_more_offsets_than_bytes_could_hold) {
  for (const compression codec : all_codecs) {
    byte_vector data = simple_batch({.codec = codec});
    set<std::int32_t>(data, batch_at::record_count, INT32_MAX);
    set<std::int32_t>(data, batch_at::last_offset_delta, INT32_MAX - 1);
    seal_batch(data);
    EXPECT_EQ(code_of(data), errc::invalid) << name_of(codec);
  }
}

TEST(kafka_produced_batch, a_compacted_topic_wants_keys) {
  for (const compression codec : all_codecs) {
    batch_builder b({.codec = codec});
    b.add(1, as_bytes("k"), as_bytes("v"));
    b.add(1, std::nullopt, as_bytes("v"));
    const byte_vector data = *b.finish();
    EXPECT_EQ(code_of(data), errc::ok);
    EXPECT_EQ(code_of(data, {.open_records = true}), errc::ok);
    EXPECT_EQ(code_of(data, {.keys_required = true}), errc::invalid);
  }
}

TEST(kafka_produced_batch, damaged_records_are_found_when_opened) {
  const byte_vector good = simple_batch();
  int refused = 0;
  for (std::size_t at = batch_at::records; at < good.size(); ++at) {
    byte_vector bad = good;
    bad[at] ^= std::byte{0x81};
    seal_batch(bad);
    const errc code = code_of(bad, {.open_records = true});
    EXPECT_TRUE(code == errc::ok || code == errc::corrupt || code == errc::invalid);  // a changed text is no damage
    refused += code != errc::ok;
  }
  EXPECT_GT(refused, 20);
}

TEST(kafka_produced_batch, extreme_timestamps_do_not_overflow) {
  batch_builder b({});
  b.add(1, as_bytes("k"), as_bytes("v"));
  b.add(5, as_bytes("k"), as_bytes("v"));
  byte_vector data = *b.finish();
  set<std::int64_t>(data, batch_at::base_timestamp, std::numeric_limits<std::int64_t>::max());
  set<std::int64_t>(data, batch_at::base_offset, std::numeric_limits<std::int64_t>::max());
  seal_batch(data);
  EXPECT_EQ(code_of(data, {.open_records = true}), errc::ok);
}

}  // namespace
}  // namespace weir::kafka
