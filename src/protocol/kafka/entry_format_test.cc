#include "protocol/kafka/entry_format.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "protocol/kafka/record_batch.h"
#include "protocol/kafka/records.h"

namespace weir::kafka {
namespace {

using model::record_view;

constexpr std::array all_codecs = {compression::none, compression::gzip, compression::snappy, compression::lz4,
                                   compression::zstd};

// Ten records k0..k4,k0..k4 from offset 100; times go up and down; every third value is null.
byte_vector sample(batch_options options) {
  options.base_offset = 100;
  batch_builder b(options);
  constexpr std::array<std::int64_t, 10> times = {50, 40, 60, 55, 90, 70, 95, 94, 91, 92};
  for (int i = 0; i < 10; ++i) {
    const std::string key = "k" + std::to_string(i % 5);
    const std::string value = "v" + std::to_string(i);
    b.add(times[static_cast<std::size_t>(i)], as_bytes(key), i % 3 == 2 ? std::nullopt : std::optional(as_bytes(value)),
          {{"h", as_bytes(value)}});
  }
  return *b.finish();
}

std::vector<std::pair<std::int64_t, std::string>> contents(bytes payload) {
  std::vector<std::pair<std::int64_t, std::string>> out;
  const auto walked = batch_entry_format().for_each(payload, [&](const record_view& r) {
    out.emplace_back(r.at.raw(), std::string(as_text(*r.key)) + "=" +
                                     (r.value ? std::string(as_text(*r.value)) : "null") + "@" +
                                     std::to_string(r.timestamp_ms));
    return true;
  });
  EXPECT_TRUE(walked) << walked.error().describe();
  return out;
}

TEST(kafka_entry_format, tells_the_facts_of_a_batch) {
  const batch_entry_format format;
  for (const compression codec : all_codecs) {
    const byte_vector data = sample({.codec = codec, .producer_id = 5, .producer_epoch = 2, .base_sequence = 30});
    const auto shallow = format.inspect(data, {.bytes_max = 1 << 20});
    ASSERT_TRUE(shallow) << shallow.error().describe();
    EXPECT_EQ(shallow->count, 10U);
    EXPECT_EQ(shallow->min_timestamp_ms, 50);
    EXPECT_EQ(shallow->max_timestamp_ms, 95);
    EXPECT_EQ(static_cast<int>(shallow->compression), static_cast<int>(codec));
    EXPECT_EQ(format.inspect(data, {.open_records = true, .bytes_max = 1 << 20})->min_timestamp_ms, 40);
    EXPECT_EQ(format.inspect(data, {.bytes_max = 10}).error().code, errc::out_of_range);
    const auto producer = format.producer(data);
    ASSERT_TRUE(producer);
    EXPECT_EQ(producer->producer_id, 5);
    EXPECT_EQ(producer->producer_epoch, 2);
    EXPECT_EQ(producer->first_sequence, 30);
    EXPECT_EQ(producer->last_sequence, 39);
    EXPECT_FALSE(producer->transactional);
    EXPECT_FALSE(producer->control);
  }
}

TEST(kafka_entry_format, finds_the_first_record_at_or_after_a_time) {
  const batch_entry_format format;
  for (const compression codec : all_codecs) {
    const byte_vector data = sample({.codec = codec});
    const auto at = [&](std::int64_t t) { return *format.find_time(data, t); };
    EXPECT_EQ(at(-1)->at.raw(), 100);
    EXPECT_EQ(at(50)->at.raw(), 100);
    EXPECT_EQ(at(51)->at.raw(), 102);
    EXPECT_EQ(at(51)->timestamp_ms, 60);
    EXPECT_EQ(at(91)->at.raw(), 106);
    EXPECT_EQ(at(95)->at.raw(), 106);
    EXPECT_FALSE(at(96).has_value());
  }
}

TEST(kafka_entry_format, filtering_keeps_what_is_kept_as_it_was) {
  const batch_entry_format format;
  for (const compression codec : all_codecs) {
    const byte_vector data =
        sample({.codec = codec, .leader_epoch = 3, .producer_id = 5, .producer_epoch = 2, .base_sequence = 30});
    const auto before = contents(data);
    const auto kept = format.filter(data, [](const record_view& r) { return r.at.raw() % 2 == 1 && r.at.raw() < 107; });
    ASSERT_TRUE(kept) << kept.error().describe();
    EXPECT_EQ(kept->records_left, 3U);
    EXPECT_EQ(kept->max_timestamp_ms, 70);
    const std::vector expected{before[1], before[3], before[5]};
    EXPECT_EQ(contents(kept->payload), expected);
    const auto batch = batch_view::parse(kept->payload);
    ASSERT_TRUE(batch);
    EXPECT_TRUE(batch->crc_matches());
    EXPECT_EQ(batch->codec(), codec);
    EXPECT_EQ(batch->base_offset(), 100);
    EXPECT_EQ(batch->last_offset(), 109);
    EXPECT_EQ(batch->leader_epoch(), 3);
    EXPECT_EQ(batch->base_sequence(), 30);
    EXPECT_EQ(batch->last_sequence(), 39);
    EXPECT_EQ(batch->max_timestamp(), 70);
    // Again: a batch with gaps can be filtered and searched like any other.
    const auto again = format.filter(kept->payload, [](const record_view& r) { return r.at.raw() == 103; });
    ASSERT_TRUE(again);
    EXPECT_EQ(contents(again->payload), std::vector{before[3]});
    EXPECT_EQ((*format.find_time(again->payload, 0))->at.raw(), 103);
  }
}

TEST(kafka_entry_format, headers_survive_a_filter) {
  const batch_entry_format format;
  const auto kept =
      format.filter(sample({.codec = compression::zstd}), [](const record_view& r) { return r.at.raw() == 104; });
  ASSERT_TRUE(kept);
  ASSERT_TRUE(for_each_record(*batch_view::parse(kept->payload), [](const record& r) {
    std::vector<record_header> headers;
    read_headers(r, headers);
    EXPECT_EQ(headers.size(), 1U);
    EXPECT_EQ(as_text(*headers.at(0).value), "v4");
    return true;
  }));
}

TEST(kafka_entry_format, keeping_everything_changes_nothing) {
  for (const compression codec : all_codecs) {
    const byte_vector data = sample({.codec = codec});
    const auto kept = batch_entry_format().filter(data, [](const record_view&) { return true; });
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->payload, data);
    EXPECT_EQ(kept->records_left, 10U);
  }
}

TEST(kafka_entry_format, an_emptied_batch_still_covers_its_offsets) {
  const batch_entry_format format;
  for (const compression codec : all_codecs) {
    const auto kept =
        format.filter(sample({.codec = codec, .producer_id = 5, .producer_epoch = 2, .base_sequence = 30}),
                      [](const record_view&) { return false; });
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->records_left, 0U);
    EXPECT_EQ(kept->payload.size(), batch_head_bytes);
    const auto batch = batch_view::parse(kept->payload);
    ASSERT_TRUE(batch);
    EXPECT_TRUE(batch->crc_matches());
    EXPECT_EQ(batch->last_offset(), 109);
    EXPECT_EQ(batch->last_sequence(), 39);
    EXPECT_TRUE(contents(kept->payload).empty());
    EXPECT_FALSE((*format.find_time(kept->payload, -1)).has_value());
  }
}

TEST(kafka_entry_format, log_append_time_survives_a_filter) {
  byte_vector data = sample({.codec = compression::lz4});
  std::array<std::byte, model::entry_format::stamp_bytes_max> head{};
  const std::size_t n = batch_entry_format().stamp(data, model::offset(200), model::epoch(1), 5000, head);
  std::memcpy(data.data(), head.data(), n);
  const auto kept = batch_entry_format().filter(data, [](const record_view& r) { return r.at.raw() == 203; });
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->max_timestamp_ms, 5000);
  ASSERT_EQ(contents(kept->payload).size(), 1U);
  EXPECT_EQ(contents(kept->payload)[0].second, "k3=v3@5000");
}

model::compression_choice in(compression c, std::int32_t level = 0) {
  return {static_cast<model::compression_kind>(c), level};
}

TEST(kafka_entry_format, recompressing_changes_the_compression_and_nothing_else) {
  const batch_entry_format format;
  for (const compression from : all_codecs) {
    for (const compression to : all_codecs) {
      const byte_vector data = sample({.codec = from, .producer_id = 5, .producer_epoch = 2, .base_sequence = 30});
      const auto out = format.recompress(data, in(to, 3));
      ASSERT_TRUE(out) << out.error().describe();
      EXPECT_EQ(out->facts.count, 10U);
      EXPECT_EQ(out->facts.min_timestamp_ms, 40);
      EXPECT_EQ(out->facts.max_timestamp_ms, 95);
      EXPECT_EQ(static_cast<int>(out->facts.compression), static_cast<int>(to));
      const auto batch = batch_view::parse(out->payload);
      ASSERT_TRUE(batch);
      EXPECT_EQ(batch->size(), out->payload.size());
      EXPECT_TRUE(batch->crc_matches());
      EXPECT_EQ(batch->codec(), to);
      EXPECT_EQ(batch->last_offset(), 109);
      EXPECT_EQ(contents(out->payload), contents(data));
      const auto producer = format.producer(out->payload);
      EXPECT_EQ(producer->producer_id, 5);
      EXPECT_EQ(producer->producer_epoch, 2);
      EXPECT_EQ(producer->first_sequence, 30);
      EXPECT_EQ(producer->last_sequence, 39);
    }
  }
}

TEST(kafka_entry_format, recompressing_takes_the_level) {
  batch_builder b({});
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "word" + std::to_string(i * 7919 % 1009) + ' ';
  b.add(1, std::nullopt, as_bytes(text));
  const byte_vector data = *b.finish();
  const batch_entry_format format;
  const auto size = [&](compression c, std::int32_t level) {
    return format.recompress(data, in(c, level))->payload.size();
  };
  EXPECT_LT(size(compression::gzip, 9), size(compression::gzip, 1));
  EXPECT_LT(size(compression::lz4, 12), size(compression::lz4, 9));  // 9 is the fast mode
  EXPECT_LT(size(compression::zstd, 19), size(compression::zstd, -20));
}

TEST(kafka_entry_format, recompressing_checks_every_record_and_stops_at_the_limits) {
  byte_vector wrong = sample({});
  // The second record's offset delta says 7: behind the first one's length, and its own length, attributes and time.
  const auto first = static_cast<std::size_t>(wrong[batch_head_bytes]) / 2 + 1;
  wrong[batch_head_bytes + first + 3] = std::byte{14};
  seal_batch(wrong);
  EXPECT_EQ(batch_entry_format().recompress(wrong, in(compression::lz4)).error().code, errc::invalid);

  batch_builder b({.codec = compression::zstd});
  b.add(1, std::nullopt, byte_vector(4 << 20));
  const byte_vector bomb = *b.finish();
  const batch_entry_format strict(decompression_limits{.output_max = 1 << 20});
  EXPECT_EQ(strict.recompress(bomb, in(compression::none)).error().code, errc::invalid);
  EXPECT_TRUE(batch_entry_format().recompress(bomb, in(compression::none)));
}

TEST(kafka_entry_format, damage_is_a_fault_everywhere) {
  const batch_entry_format format;
  const byte_vector good = sample({});
  for (std::size_t n = 0; n < good.size(); ++n) {
    const bytes cut = bytes(good).first(n);
    EXPECT_FALSE(format.inspect(cut, {.bytes_max = 1 << 20}));
    EXPECT_FALSE(format.for_each(cut, [](const record_view&) { return true; }));
    EXPECT_FALSE(format.find_time(cut, 0));
    EXPECT_FALSE(format.filter(cut, [](const record_view&) { return true; }));
    EXPECT_FALSE(format.producer(cut));
  }
  byte_vector two = good;
  two.insert(two.end(), good.begin(), good.end());
  EXPECT_FALSE(format.producer(two));
}

}  // namespace
}  // namespace weir::kafka
