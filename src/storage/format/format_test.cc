// Every on-disk structure: what is written is read back, every cut and every flipped bit is noticed, and nothing reads
// past its end (the sanitizers watch).
#include <gtest/gtest.h>

#include "storage/format/data_file.h"
#include "storage/format/entry.h"
#include "storage/format/manifest.h"
#include "storage/format/record.h"
#include "storage/format/superblock.h"
#include "storage/format/wal_block.h"

namespace weir::storage {
namespace {

byte_vector sample_entry(std::size_t payload, std::int64_t base = 41, std::byte fill = std::byte{0x5a}) {
  entry_header h;
  h.payload_bytes = static_cast<std::uint32_t>(payload);
  h.log = model::log_id{9};
  h.base = model::offset{base};
  h.count = 3;
  h.format = model::format_tag::kafka_batch_v2;
  h.max_timestamp_ms = 1234;
  h.leader_epoch = model::epoch{5};
  byte_vector out(h.total_bytes(), fill);
  put_entry_header(out.data(), h);
  seal_entry(out);
  return out;
}

byte_vector sample_block(std::uint64_t seq, std::byte fill = std::byte{0x5a}) {
  const std::vector<model::log_change> changes = {{model::log_change_kind::create, model::log_id{9}, {}},
                                                  {model::log_change_kind::trim, model::log_id{8}, model::offset{77}}};
  const std::string state = "the state";
  record_header h;
  h.shard = model::shard_id{4};
  h.at = model::lsn{12};
  h.state_kind = 2;
  h.state_version = 1;
  h.state_bytes = static_cast<std::uint32_t>(state.size());
  h.entries = 2;
  h.changes = 2;
  const byte_vector one = sample_entry(100, 41, fill);
  const byte_vector two = sample_entry(5000, 44, fill);
  h.length = static_cast<std::uint32_t>(h.fixed_bytes() + one.size() + two.size());
  byte_vector out(wal_block_header_bytes + h.length);
  std::byte* record = out.data() + wal_block_header_bytes;
  put_record_head(record, h, changes, as_bytes(state));
  std::copy(one.begin(), one.end(), record + h.fixed_bytes());
  std::copy(two.begin(), two.end(), record + h.fixed_bytes() + one.size());
  const std::uint32_t entries =
      chain_crc(load_entry_header(two.data()).crc, chain_crc(load_entry_header(one.data()).crc, 0));
  const std::uint32_t crc = seal_record(record, h.fixed_bytes(), entries);
  put_wal_block_header(out.data(), {3, seq, seq - 2, 6, static_cast<std::uint32_t>(out.size()), 1}, chain_crc(crc, 0));
  return out;
}

TEST(format_entry, round_trip) {
  const byte_vector e = sample_entry(10);
  const auto p = parse_entry(e);
  ASSERT_TRUE(p) << p.error().describe();
  EXPECT_EQ(p->header.log, model::log_id{9});
  EXPECT_EQ(p->header.end(), model::offset{44});
  EXPECT_EQ(p->header.max_timestamp_ms, 1234);
  EXPECT_EQ(p->header.leader_epoch, model::epoch{5});
  EXPECT_EQ(p->payload.size(), 10U);
  EXPECT_EQ(entry_size_at(e), e.size());
}

TEST(format_entry, every_cut_and_every_flipped_bit_is_noticed) {
  const byte_vector e = sample_entry(20);
  for (std::size_t n = 0; n < e.size(); ++n) EXPECT_FALSE(parse_entry(bytes(e).first(n))) << n;
  for (std::size_t bit = 0; bit < e.size() * 8; ++bit) {
    byte_vector bad = e;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(parse_entry(bad)) << bit;
  }
}

TEST(format_entry, an_unknown_kind_or_flag_is_unsupported_not_corrupt) {
  byte_vector e = sample_entry(4);
  e[30] = std::byte{9};
  seal_entry(e);
  EXPECT_EQ(parse_entry(e).error().code, errc::unsupported);
  e = sample_entry(4);
  e[44] = std::byte{1};
  seal_entry(e);
  EXPECT_EQ(parse_entry(e).error().code, errc::unsupported);
  e = sample_entry(4);
  e[46] = std::byte{1};  // may be skipped
  seal_entry(e);
  EXPECT_TRUE(parse_entry(e));
}

TEST(format_wal, a_block_round_trips) {
  const byte_vector b = sample_block(20);
  const auto h = parse_wal_block(b);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->seq, 20U);
  EXPECT_EQ(h->durable_seq, 18U);
  const auto r = parse_record(bytes(b).subspan(wal_block_header_bytes));
  ASSERT_TRUE(r);
  EXPECT_EQ(as_text(r->state), "the state");
  EXPECT_EQ(change_at(*r, 1).at, model::offset{77});
  EXPECT_EQ(r->header.entries, 2U);
}

TEST(format_wal, every_cut_and_every_flipped_bit_tears_a_block) {
  const byte_vector b = sample_block(20);
  for (std::size_t n = 0; n < b.size(); n += 7) EXPECT_FALSE(parse_wal_block(bytes(b).first(n))) << n;
  for (std::size_t bit = 0; bit < b.size() * 8; bit += 5) {
    byte_vector bad = b;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto h = parse_wal_block(bad);
    // The sixteen reserved bytes are covered by the checksum too.
    EXPECT_FALSE(h) << bit;
  }
}

// A block whose tail is an older use of the same place, cut at any sector: never whole.
TEST(format_wal, a_mixture_of_two_blocks_is_not_whole) {
  const byte_vector old_block = sample_block(20, std::byte{1});
  const byte_vector new_block = sample_block(21, std::byte{2});
  ASSERT_EQ(old_block.size(), new_block.size());
  for (std::size_t cut = 512; cut < new_block.size(); cut += 512) {
    byte_vector mixed = new_block;
    std::copy(old_block.begin() + static_cast<std::ptrdiff_t>(cut), old_block.end(),
              mixed.begin() + static_cast<std::ptrdiff_t>(cut));
    EXPECT_FALSE(parse_wal_block(mixed)) << cut;
  }
  EXPECT_TRUE(parse_wal_block(new_block));
}

TEST(format_wal, file_headers) {
  byte_vector page(wal_page_bytes);
  put_wal_file_header(page.data(), {1, 2, 3, 4, 5, 6});
  const auto h = parse_wal_file_header(page);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->first_seq, 4U);
  EXPECT_EQ(h->file_bytes, 6U);
  for (std::size_t at = 0; at < 72; ++at) {
    byte_vector bad = page;
    bad[at] ^= std::byte{4};
    EXPECT_FALSE(parse_wal_file_header(bad)) << at;
  }
  page[8] = std::byte{2};
  EXPECT_EQ(parse_wal_file_header(page).error().code, errc::torn);
}

TEST(format_superblock, round_trip_and_damage) {
  const byte_vector page = encode_superblock({1, 77, 5, 999});
  const auto s = decode_superblock(page);
  ASSERT_TRUE(s);
  EXPECT_EQ(s->store_id, 77U);
  EXPECT_EQ(s->incarnation, 5U);
  for (std::size_t at = 0; at < 48; ++at) {
    byte_vector bad = page;
    bad[at] ^= std::byte{1};
    EXPECT_EQ(decode_superblock(bad).error().code, errc::corrupt) << at;
  }
  EXPECT_FALSE(decode_superblock(bytes(page).first(40)));
}

TEST(format_data_file, headers_and_footers) {
  const byte_vector head = encode_data_header({data_file_kind::own, 1, 2, model::log_id{3}, 4});
  ASSERT_EQ(head.size(), data_header_bytes);
  EXPECT_EQ(decode_data_header(head)->log, model::log_id{3});

  const std::vector<index_entry> index = {{model::offset{0}, 64, 5}, {model::offset{100}, 40'000, -1}};
  byte_vector footer = encode_index_footer(index, 50'000);
  const auto trailer = decode_data_trailer(bytes(footer).last(data_trailer_bytes));
  ASSERT_TRUE(trailer);
  EXPECT_EQ(trailer->footer_position, 50'000U);
  EXPECT_EQ(*decode_index_footer(bytes(footer).first(trailer->footer_bytes), *trailer), index);
  footer[3] ^= std::byte{1};
  EXPECT_FALSE(decode_index_footer(bytes(footer).first(trailer->footer_bytes), *trailer));

  const std::vector<shared_run> runs = {{model::log_id{1}, model::offset{2}, model::offset{3}, 64, 10, 7}};
  const byte_vector shared = encode_shared_footer(runs, 74);
  const auto t = decode_data_trailer(bytes(shared).last(data_trailer_bytes));
  ASSERT_TRUE(t);
  EXPECT_EQ(*decode_shared_footer(bytes(shared).first(t->footer_bytes), *t), runs);
}

manifest_edit sample_edit() {
  manifest_edit e;
  e.seq = 1;
  e.next_file_id = 12;
  e.wal = {33, 31, 4};
  e.files.push_back({5, data_file_kind::shared, true, model::log_id{}, 17, 4096});
  e.removed_files = {1, 2};
  e.logs.push_back({model::log_id{8}, model::shard_id{2}, model::offset{3}, model::offset{90}});
  e.removed_logs = {model::log_id{7}};
  e.cuts.push_back({model::log_id{8}, model::offset{3}, model::offset{50}});
  e.extents.push_back({model::log_id{8}, 5, 64, 1000, model::offset{3}, model::offset{90}, 12});
  e.cleaned.push_back({model::log_id{8}, model::offset{70}, model::offset{60}, 1234, true});
  e.shards.push_back({model::shard_id{2}, model::lsn{45}, byte_vector(30, std::byte{1})});
  return e;
}

TEST(format_manifest, an_edit_round_trips) {
  const byte_vector raw = encode_manifest_edit(sample_edit());
  std::size_t used = 0;
  const auto e = decode_manifest_edit(raw, used);
  ASSERT_TRUE(e);
  EXPECT_EQ(used, raw.size());
  EXPECT_EQ(e->next_file_id, 12U);
  EXPECT_EQ(e->wal.replay_from_seq, 33U);
  EXPECT_EQ(e->wal.incarnation, 4U);
  EXPECT_EQ(e->files.at(0).length, 4096U);
  EXPECT_EQ(e->removed_files.size(), 2U);
  EXPECT_EQ(e->logs.at(0).end, model::offset{90});
  EXPECT_EQ(e->cuts.at(0).to, model::offset{50});
  EXPECT_EQ(e->extents.at(0).length, 1000U);
  EXPECT_EQ(e->cleaned.at(0).tombstones_to, model::offset{60});
  EXPECT_TRUE(e->cleaned.at(0).tombstones);
  EXPECT_EQ(e->shards.at(0).covered, model::lsn{45});
  EXPECT_EQ(e->shards.at(0).snapshot.size(), 30U);
  EXPECT_EQ(encode_manifest_edit(*e), raw);
}

TEST(format_manifest, cuts_and_flips_are_torn_and_unknown_sections_unsupported) {
  byte_vector raw = encode_manifest_edit(sample_edit());
  std::size_t used = 0;
  for (std::size_t n = 0; n < raw.size(); ++n)
    EXPECT_EQ(decode_manifest_edit(bytes(raw).first(n), used).error().code, errc::torn);
  for (std::size_t at = 0; at < raw.size(); ++at) {
    byte_vector bad = raw;
    bad[at] ^= std::byte{16};
    EXPECT_FALSE(decode_manifest_edit(bad, used)) << at;
  }
  raw.push_back(std::byte{99});  // a section that nobody knows, with a right checksum
  raw.insert(raw.end(), 4, std::byte{0});
  store_le(raw.data() + 4, static_cast<std::uint32_t>(raw.size() - manifest_edit_header_bytes));
  store_le(raw.data(), crc32c(bytes(raw).subspan(4)));
  EXPECT_EQ(decode_manifest_edit(raw, used).error().code, errc::unsupported);
}

}  // namespace
}  // namespace weir::storage
