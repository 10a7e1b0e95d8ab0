#include "protocol/kafka/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <typeinfo>

#include "protocol/kafka/message_testing.h"

namespace weir::kafka {
namespace {

using protocol::output;
using testing::dump;
using testing::filler;
using testing::seeded_rng;

byte_vector flat(const output& out) {
  std::vector<bytes> views;
  out.gather(views);
  byte_vector all;
  for (const bytes v : views) all.insert(all.end(), v.begin(), v.end());
  return all;
}

byte_vector from_hex(std::string_view hex) {
  byte_vector out;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() == 2) {
      out.push_back(static_cast<std::byte>(std::stoi(digits, nullptr, 16)));
      digits.clear();
    }
  }
  return out;
}

template<message M>
byte_vector encoded(const M& m, std::int16_t version) {
  output out;
  encode(m, version, out);
  return flat(out);
}

// Calls f.operator()<M>(version) for every message in every version.
template<class F>
void for_each_version(F&& f) {
  for_each_message([&]<class M>() {
    for (std::int16_t v = M::min_version; v <= M::max_version; ++v) f.template operator()<M>(v);
  });
}

// A heap block of exactly these bytes, so that the sanitizer sees an over-read.
struct exact_copy {
  std::unique_ptr<std::byte[]> memory;
  bytes view;
  explicit exact_copy(bytes b) : memory(std::make_unique<std::byte[]>(b.size())), view(memory.get(), b.size()) {
    if (!b.empty()) std::memcpy(memory.get(), b.data(), b.size());
  }
};

TEST(kafka_codec, every_message_in_every_version_survives_the_round_trip) {
  seeded_rng random(7);
  int seen = 0;
  for_each_version([&]<class M>(std::int16_t v) {
    for (int round = 0; round < 12; ++round) {
      M m;
      filler fill(random, v);
      M::visit(fill, m);
      const byte_vector wire = encoded(m, v);
      const result<M> back = decode<M>(wire, v);
      ASSERT_TRUE(back) << typeid(M).name() << " v" << v << ": " << back.error().describe();
      ASSERT_EQ(dump(m, v), dump(*back, v)) << typeid(M).name() << " v" << v;
      ASSERT_EQ(encoded(*back, v), wire);
    }
    ++seen;
  });
  EXPECT_GT(seen, 300);
}

TEST(kafka_codec, every_cut_is_a_fault_and_never_an_over_read) {
  seeded_rng random(11);
  for_each_version([&]<class M>(std::int16_t v) {
    M m;
    filler fill(random, v);
    M::visit(fill, m);
    const byte_vector wire = encoded(m, v);
    for (std::size_t n = 0; n < wire.size(); ++n) {
      const exact_copy cut(bytes(wire).first(n));
      const result<M> back = decode<M>(cut.view, v);
      ASSERT_FALSE(back) << typeid(M).name() << " v" << v << " cut at " << n << " of " << wire.size();
      ASSERT_EQ(back.error().code, errc::invalid);
    }
  });
}

TEST(kafka_codec, damage_is_survived) {
  seeded_rng random(13);
  for_each_version([&]<class M>(std::int16_t v) {
    for (int round = 0; round < 8; ++round) {
      M m;
      filler fill(random, v);
      M::visit(fill, m);
      exact_copy wire(encoded(m, v));
      if (wire.view.empty()) return;
      for (int flips = 0; flips < 3; ++flips) {
        wire.memory[random.below(wire.view.size())] = static_cast<std::byte>(random.next());
      }
      if (const result<M> back = decode<M>(wire.view, v)) {
        // What it took, it also writes and takes again.
        ASSERT_TRUE(decode<M>(encoded(*back, v), v));
      }
    }
  });
}

TEST(kafka_codec, bytes_after_a_message_are_a_fault) {
  for_each_version([&]<class M>(std::int16_t v) {
    byte_vector wire = encoded(M{}, v);
    wire.push_back(std::byte{0});
    const result<M> back = decode<M>(wire, v);
    ASSERT_FALSE(back);
    ASSERT_NE(back.error().text.find("left over"), std::string::npos) << back.error().text;
  });
}

// The generated least sizes guard allocations: too large ones would refuse good messages, too small ones let
// a count through that the bytes cannot hold.
TEST(kafka_codec, least_sizes_are_exact) {
  seeded_rng random(1);
  for_each_version([&]<class M>(std::int16_t v) {
    EXPECT_EQ(encoded(M{}, v).size(), M::min_size(v)) << typeid(M).name() << " v" << v;
    M m;
    filler three_bare_elements(random, v, 3, true);
    M::visit(three_bare_elements, m);
    EXPECT_TRUE(decode<M>(encoded(m, v), v)) << typeid(M).name() << " v" << v;
  });
}

TEST(kafka_codec, unknown_tags_are_skipped) {
  heartbeat_request m;
  m.group_id = "g";
  byte_vector wire = encoded(m, 4);
  ASSERT_EQ(wire.back(), std::byte{0});
  wire.back() = std::byte{2};
  for (const int b : {9, 2, 0xaa, 0xbb, 0xff, 0x7f, 0}) wire.push_back(static_cast<std::byte>(b));
  const result<heartbeat_request> back = decode<heartbeat_request>(wire, 4);
  ASSERT_TRUE(back) << back.error().describe();
  EXPECT_EQ(back->group_id, "g");
}

TEST(kafka_codec, a_tagged_field_must_fit_and_fill_its_size) {
  fetch_request m;
  m.cluster_id = "cluster";
  const byte_vector wire = encoded(m, 12);
  ASSERT_TRUE(decode<fetch_request>(wire, 12));
  const std::size_t at = wire.size() - 9;  // the size of the tagged field, before its length and text
  ASSERT_EQ(wire[at], std::byte{8});
  byte_vector longer = wire;
  longer[at] = std::byte{9};
  EXPECT_FALSE(decode<fetch_request>(longer, 12));
  byte_vector shorter = wire;
  shorter[at] = std::byte{7};
  EXPECT_FALSE(decode<fetch_request>(shorter, 12));
  byte_vector with_rest = wire;
  with_rest[at] = std::byte{9};
  with_rest.push_back(std::byte{0});
  const auto refused = decode<fetch_request>(with_rest, 12);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("tagged"), std::string::npos);
}

TEST(kafka_codec, a_count_is_checked_before_memory_is_taken) {
  // describe_groups v0: a list of groups, 2^31-1 of them, in 6 bytes.
  const byte_vector huge = from_hex("7fffffff 0000");
  EXPECT_FALSE(decode<describe_groups_request>(huge, 0));
  // Enough bytes for the count, but more memory than a message may take: 10 million empty names.
  constexpr std::uint32_t many = 10'000'000;
  byte_vector wire;
  byte_writer out(wire);
  out.varint(many + 1);
  wire.resize(wire.size() + many, std::byte{1});
  wire.push_back(std::byte{0});  // include_authorized_operations
  wire.push_back(std::byte{0});  // tags
  const auto refused = decode<describe_groups_request>(wire, 5);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("more list elements"), std::string::npos) << refused.error().text;
}

TEST(kafka_codec, null_where_no_null_may_be_is_a_fault) {
  EXPECT_FALSE(decode<find_coordinator_request>(from_hex("ffff"), 0));
  EXPECT_FALSE(decode<metadata_request>(from_hex("ffffffff"), 0));
  const auto all_topics = decode<metadata_request>(from_hex("ffffffff"), 1);
  ASSERT_TRUE(all_topics);
  EXPECT_FALSE(all_topics->topics.has_value());
  const auto no_topics = decode<metadata_request>(from_hex("00000000"), 1);
  ASSERT_TRUE(no_topics);
  ASSERT_TRUE(no_topics->topics.has_value());
  EXPECT_TRUE(no_topics->topics->empty());
}

TEST(kafka_codec, versions_outside_of_the_table_are_unsupported) {
  EXPECT_EQ(decode<produce_request>({}, 2).error().code, errc::unsupported);
  EXPECT_EQ(decode<produce_request>({}, 14).error().code, errc::unsupported);
  EXPECT_EQ(decode<metadata_request>({}, -1).error().code, errc::unsupported);
}

TEST(kafka_codec, text_that_no_version_can_carry_is_cut) {
  const std::string too_long(40000, 'x');
  for (const std::int16_t v : {std::int16_t{2}, std::int16_t{3}}) {
    find_coordinator_request m;
    m.key = too_long;
    const byte_vector wire = encoded(m, v);
    const auto back = decode<find_coordinator_request>(wire, v);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->key.size(), text_bytes_max);
  }
}

TEST(kafka_codec, records_of_a_fetch_response_are_shared_not_copied) {
  const auto memory = std::make_shared<byte_vector>(output::share_bytes_min * 2, std::byte{7});
  fetch_response m;
  auto& partition = m.topics.emplace_back().partitions.emplace_back();
  partition.records.pieces.push_back({bytes(*memory), memory});
  partition.records.pieces.push_back({bytes(*memory).first(5), memory});
  output out;
  encode_response(m, 12, 99, out);
  std::vector<bytes> views;
  out.gather(views);
  EXPECT_TRUE(std::ranges::any_of(views, [&](bytes v) { return v.data() == memory->data(); }));

  const byte_vector wire = flat(out);
  ASSERT_EQ(load_be<std::uint32_t>(wire.data()), wire.size() - 4);
  const auto header = decode_response_header(bytes(wire).subspan(4), api_key::fetch, 12);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->correlation_id, 99);
  const auto back = decode<fetch_response>(header->body, 12);
  ASSERT_TRUE(back) << back.error().describe();
  EXPECT_EQ(back->topics[0].partitions[0].records.data.size(), memory->size() + 5);
}

TEST(kafka_codec, frames_after_a_shared_piece_have_their_own_lengths) {
  const auto memory = std::make_shared<byte_vector>(output::share_bytes_min * 2, std::byte{7});
  fetch_response m;
  m.topics.emplace_back().partitions.emplace_back().records.pieces.push_back({bytes(*memory), memory});
  output out;
  encode_response(m, 4, 1, out);
  const std::size_t first = out.size();
  encode_response(heartbeat_response{}, 4, 2, out);
  const byte_vector wire = flat(out);
  EXPECT_EQ(load_be<std::uint32_t>(wire.data()), first - 4);
  EXPECT_EQ(load_be<std::uint32_t>(wire.data() + first), wire.size() - first - 4);
}

// --- headers

TEST(kafka_codec, request_headers_round_trip_in_both_forms) {
  for_each_request([&]<class M>() {
    for (std::int16_t v = M::min_version; v <= M::max_version; ++v) {
      for (const std::optional<std::string_view> id : {std::optional<std::string_view>(), {""}, {"client-1"}}) {
        output out;
        encode_request(M{}, v, 0x01020304, id, out);
        const byte_vector wire = flat(out);
        const bytes frame = bytes(wire).subspan(4);
        ASSERT_EQ(load_be<std::uint32_t>(wire.data()), frame.size());
        const auto h = decode_request_header(frame);
        ASSERT_TRUE(h);
        EXPECT_TRUE(h->supported);
        EXPECT_EQ(h->key, static_cast<std::int16_t>(M::api));
        EXPECT_EQ(h->version, v);
        EXPECT_EQ(h->correlation_id, 0x01020304);
        EXPECT_EQ(h->client_id, id);
        EXPECT_TRUE(decode<M>(h->body, v));
        const std::size_t header = frame.size() - h->body.size();
        for (std::size_t n = 0; n < header; ++n) {
          const exact_copy cut(frame.first(n));
          ASSERT_FALSE(decode_request_header(cut.view));
        }
      }
    }
  });
}

TEST(kafka_codec, an_unknown_api_or_version_still_gives_its_correlation_id) {
  const auto unknown = decode_request_header(from_hex("7530 0000 0000002a"));
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(unknown->supported);
  EXPECT_EQ(unknown->correlation_id, 42);
  const auto newer = decode_request_header(from_hex("0012 0063 0000002b ffff"));
  ASSERT_TRUE(newer);
  EXPECT_FALSE(newer->supported);
  EXPECT_EQ(newer->version, 99);
  EXPECT_EQ(newer->correlation_id, 43);
}

TEST(kafka_codec, the_answer_to_api_versions_never_has_header_tags) {
  for (std::int16_t v = 0; v <= 4; ++v) {
    output out;
    encode_response(api_versions_response{}, v, 5, out);
    const byte_vector wire = flat(out);
    EXPECT_EQ(wire.size(), 4 + 4 + api_versions_response::min_size(v));
  }
  output out;
  encode_response(heartbeat_response{}, 4, 5, out);
  EXPECT_EQ(flat(out).size(), 4 + 4 + 1 + heartbeat_response::min_size(4));
}

// --- the table

TEST(kafka_codec, the_table_is_sorted_and_sane) {
  std::int16_t previous = -1;
  for (const api_info& a : api_table) {
    EXPECT_LT(previous, static_cast<std::int16_t>(a.key));
    previous = static_cast<std::int16_t>(a.key);
    EXPECT_LE(a.advertise, a.min);
    EXPECT_LE(a.min, a.max);
    EXPECT_EQ(find_api(previous), &a);
  }
  EXPECT_EQ(find_api(7), nullptr);
  EXPECT_EQ(find_api(-1), nullptr);
  EXPECT_EQ(info_of(api_key::produce).advertise, 0);
  EXPECT_EQ(info_of(api_key::produce).min, 3);
  EXPECT_TRUE(is_flexible(api_key::fetch, 12));
  EXPECT_FALSE(is_flexible(api_key::fetch, 11));
  EXPECT_FALSE(is_flexible(api_key::sasl_handshake, 1));
}

// --- bytes worked out by hand from the protocol's description

TEST(kafka_codec, bytes_of_an_unsupported_version_answer) {
  api_versions_response m;
  m.error_code = error_code::unsupported_version;
  m.api_keys.push_back({18, 0, 4});
  output out;
  encode_response(m, 0, 7, out);
  EXPECT_EQ(flat(out), from_hex("00000010 00000007 0023 00000001 0012 0000 0004"));
}

TEST(kafka_codec, bytes_of_a_flexible_request) {
  api_versions_request m;
  m.client_software_name = "kcat";
  m.client_software_version = "1.7";
  output out;
  encode_request(m, 3, 1, "me", out);
  EXPECT_EQ(flat(out), from_hex("00000017 0012 0003 00000001 0002 6d65 00 05 6b636174 04 312e37 00"));
}

TEST(kafka_codec, bytes_of_a_produce_response_with_tags) {
  produce_response m;
  auto& t = m.topics.emplace_back();
  t.name = "t";
  auto& p = t.partitions.emplace_back();
  p.index = 1;
  p.error_code = error_code::not_leader_or_follower;
  p.base_offset = -1;
  p.current_leader = {2, 9};
  m.node_endpoints.push_back({2, "h", 9092, std::nullopt});
  EXPECT_EQ(encoded(m, 10),
            from_hex("02 02 74 02 00000001 0006 ffffffffffffffff ffffffffffffffff ffffffffffffffff 01 00"
                     " 01 00 09 00000002 00000009 00 00"
                     " 00000000 01 00 0d 02 00000002 02 68 00002384 00 00"));
}

TEST(kafka_codec, nullable_structures_have_a_byte_of_their_own) {
  describe_topic_partitions_request m;
  EXPECT_EQ(encoded(m, 0), from_hex("01 000007d0 ff 00"));
  m.cursor.emplace().topic_name = "a";
  m.cursor->partition_index = 3;
  EXPECT_EQ(encoded(m, 0), from_hex("01 000007d0 01 02 61 00000003 00 00"));
}

// Java's admin client fails on null here, although the protocol allows it.
TEST(kafka_codec, lists_that_clients_expect_are_empty_and_not_null_by_default) {
  EXPECT_TRUE(create_topics_response::topic{}.configs.has_value());
  EXPECT_TRUE(describe_topic_partitions_response::partition{}.eligible_leader_replicas.has_value());
  EXPECT_TRUE(describe_topic_partitions_response::partition{}.last_known_elr.has_value());
}

TEST(kafka_errors, have_names_and_know_which_are_worth_a_retry) {
  EXPECT_EQ(name_of(error_code::none), "NONE");
  EXPECT_EQ(name_of(error_code::unknown_server_error), "UNKNOWN_SERVER_ERROR");
  EXPECT_EQ(name_of(error_code::invalid_topic), "INVALID_TOPIC_EXCEPTION");
  EXPECT_EQ(name_of(error_code::rebootstrap_required), "REBOOTSTRAP_REQUIRED");
  EXPECT_EQ(name_of(static_cast<error_code>(5000)), "UNKNOWN");
  EXPECT_TRUE(is_retriable(error_code::not_leader_or_follower));
  EXPECT_FALSE(is_retriable(error_code::offset_out_of_range));
  EXPECT_FALSE(is_retriable(error_code::none));
}

}  // namespace
}  // namespace weir::kafka
