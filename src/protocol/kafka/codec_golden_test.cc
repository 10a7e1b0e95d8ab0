// Requests as real clients sent them (kcat with librdkafka 2.0, kafka-python 2.0, Java's client 4.3): each must be read,
// and written back byte for byte.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "protocol/kafka/message_testing.h"
#include "protocol/kafka/record_batch.h"
#include "protocol/kafka/records.h"

namespace weir::kafka {
namespace {

struct captured {
  std::string_view name;
  std::string_view hex;  // the frame without its length
};

constexpr captured requests[] = {
    {"api_versions_v3_rdkafka", "0012000300000001000772646b61666b61000b6c696272646b61666b6106322e302e3200"},
    {"api_versions_v4_java", "001200040000000000046a61766100126170616368652d6b61666b612d6a61766106342e332e3100"},
    {"metadata_v13_java", "0003000d0000000100046a617661000200000000000000000000000000000000027400010000"},
    {"metadata_v4_rdkafka", "0003000400000002000772646b61666b610000000100017401"},
    {"produce_v13_java",
     "0000000d0000000500046a6176610000ffff00007530020102030405060708090a0b0c0d0e0f100200000000"
     "b6010000000000000000000000a9ffffffff021e4e1333000000000002000001a1f9420db2000001a1f9420d"
     "e1000000000000004d000000000000000000034e000000046b30366a6176612076616c75652076616c756520"
     "76616c7565206e6f6e6502026802314e005c02046b31366a6176612076616c75652076616c75652076616c75"
     "65206e6f6e6502026802314e005e04046b32366a6176612076616c75652076616c75652076616c7565206e6f"
     "6e650202680231000000"},
    {"produce_v7_rdkafka",
     "0000000700000003000772646b61666b61ffffffff00007530000000010001740000000100000000000000c7"
     "0000000000000000000000bb000000000279c9c833000000000002000001a1f936a33c000001a1f936a33cff"
     "ffffffffffffffffffffffffff000000035a000000086b6579313c76616c75652076616c75652076616c7565"
     "2076616c7565206e6f6e6520310204683102785a000002086b6579323c76616c75652076616c75652076616c"
     "75652076616c7565206e6f6e6520320204683102785a000004086b6579333c76616c75652076616c75652076"
     "616c75652076616c7565206e6f6e652033020468310278"},
    {"fetch_v18_java",
     "000100120000000b00046a61766100000001f400000001032000000000000000000000000201020304050607"
     "08090a0b0c0d0e0f100200000000000000000000000000000000ffffffffffffffffffffffff001000000000"
     "010100"},
    {"fetch_v11_rdkafka",
     "0001000b00000005000772646b61666b61ffffffff000001f400000001032000000100000000ffffffff0000"
     "00010001740000000100000000ffffffff0000000000000000ffffffffffffffff00100000000000000000"},
    {"fetch_v4_kafka-python",
     "0001000400000003000c6b61666b612d707974686f6effffffff000001f40000000103200000000000000100"
     "01740000000100000000000000000000000000100000"},
    {"list_offsets_v11_java",
     "0002000b0000000a00046a61766100ffffffff00020274020000000000000000fffffffffffffffe00000000"
     "753000"},
    {"find_coordinator_v6_java", "000a00060000000000046a61766100000203676a00"},
    {"join_group_v9_java",
     "000b00090000000500046a6176610003676a0000afc8000493e0010009636f6e73756d6572030672616e6765"
     "18000300000001000174ffffffff00000000ffffffffffff0013636f6f70657261746976652d737469636b79"
     "1c00030000000100017400000004ffffffff00000000ffffffffffff000100"},
    {"join_group_v5_rdkafka",
     "000b000500000003000772646b61666b610001670000afc8000493e00000ffff0008636f6e73756d65720000"
     "0002000572616e6765000000110001000000010001740000000000000000000a726f756e64726f62696e0000"
     "00110001000000010001740000000000000000"},
    {"sync_group_v5_java",
     "000e00050000000800046a6176610003676a00000001096d656d6265722d310009636f6e73756d6572067261"
     "6e676502096d656d6265722d31160003000000010001740000000100000000ffffffff0000"},
    {"sync_group_v1_kafka-python",
     "000e000100000002000c6b61666b612d707974686f6e000267320000000100086d656d6265722d3100000001"
     "00086d656d6265722d310000000a00000000000000000000"},
    {"offset_commit_v9_java",
     "000800090000000d00046a6176610003676a00000001096d656d6265722d3100020274020000000000000000"
     "0000000f0000000001000000"},
    {"offset_commit_v2_kafka-python",
     "0008000200000007000c6b61666b612d707974686f6e000267320000000200086d656d6265722d31ffffffff"
     "ffffffff00000001000174000000010000000000000000000000060000"},
    {"offset_fetch_v9_java", "000900090000000900046a617661000203676a00ffffffff020274020000000000000100"},
    {"offset_fetch_v1_kafka-python",
     "0009000100000005000c6b61666b612d707974686f6e00026732000000010001740000000100000000"},
    {"init_producer_id_v5_java", "001600050000000200046a61766100007fffffffffffffffffffffffffff00"},
    {"create_topics_v7_java", "001300070000000300046a617661000202780000000100010101000000752d0000"},
    {"describe_topic_partitions_v0_java", "004b00000000000600046a6176610002027400000007d0ff00"},
    {"incremental_alter_configs_v1_java",
     "002c00010000000800046a6176610002020274020d726574656e74696f6e2e6d7300023100000000"},
    {"leave_group_v5_java",
     "000d00050000001000046a6176610003676a02096d656d6265722d31001d74686520636f6e73756d65722069"
     "73206265696e6720636c6f7365640000"},
    {"heartbeat_v3_rdkafka", "000c000300000007000772646b61666b610001670000000100086d656d6265722d31ffff"},
    {"delete_topics_v6_java", "001400060000001000046a6176610002027800000000000000000000000000000000000000753000"},
    {"list_groups_v5_java", "001000050000000a00046a61766100010100"},
};

byte_vector from_hex(std::string_view hex) {
  byte_vector out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

byte_vector frame_of(std::string_view name) {
  for (const captured& c : requests) {
    if (c.name == name) return from_hex(c.hex);
  }
  ADD_FAILURE() << name;
  return {};
}

template<message M>
M request_of(std::string_view name, byte_vector& frame) {
  frame = frame_of(name);
  const auto h = decode_request_header(frame);
  EXPECT_TRUE(h);
  const auto m = decode<M>(h->body, h->version);
  EXPECT_TRUE(m) << m.error().describe();
  return *m;
}

TEST(kafka_golden, requests_of_real_clients_are_written_back_byte_for_byte) {
  for (const captured& c : requests) {
    const byte_vector frame = from_hex(c.hex);
    const auto h = decode_request_header(frame);
    ASSERT_TRUE(h) << c.name;
    ASSERT_TRUE(h->supported) << c.name;
    bool seen = false;
    for_each_request([&]<class M>() {
      if (static_cast<std::int16_t>(M::api) != h->key) return;
      const auto m = decode<M>(h->body, h->version);
      ASSERT_TRUE(m) << c.name << ": " << m.error().describe();
      protocol::output out;
      encode_request(*m, h->version, h->correlation_id, h->client_id, out);
      EXPECT_EQ(byte_vector(out.tail().begin() + 4, out.tail().end()), frame) << c.name;
      seen = true;
    });
    EXPECT_TRUE(seen) << c.name;
  }
}

TEST(kafka_golden, a_java_producer_of_today) {
  byte_vector frame;
  const auto m = request_of<produce_request>("produce_v13_java", frame);
  EXPECT_EQ(m.acks, -1);
  EXPECT_EQ(m.timeout_ms, 30000);
  ASSERT_EQ(m.topics.size(), 1U);
  EXPECT_EQ(m.topics[0].topic_id.data[15], 16);
  const bytes data = m.topics[0].partitions.at(0).records.data;
  ASSERT_TRUE(check_produced(data, {.keys_required = true, .open_records = true}));
  const batch_view batch = *batch_view::parse(data);
  EXPECT_EQ(batch.producer_id(), 77);
  EXPECT_EQ(batch.base_sequence(), 0);
  int seen = 0;
  ASSERT_TRUE(for_each_record(batch, [&](const record& r) {
    EXPECT_EQ(as_text(*r.key), "k" + std::to_string(seen++));
    EXPECT_EQ(as_text(*r.value), "java value value value none");
    EXPECT_EQ(r.header_count, 1);
    return true;
  }));
  EXPECT_EQ(seen, 3);
}

TEST(kafka_golden, a_java_consumer_of_today) {
  byte_vector frame;
  const auto join = request_of<join_group_request>("join_group_v9_java", frame);
  EXPECT_EQ(join.group_id, "gj");
  EXPECT_EQ(join.protocol_type, "consumer");
  const bytes metadata = join.protocols.at(0).metadata;
  const auto subscription = decode<consumer_subscription>(metadata.subspan(2), load_be<std::int16_t>(metadata.data()));
  ASSERT_TRUE(subscription) << subscription.error().describe();
  EXPECT_EQ(subscription->topics, std::vector<std::string_view>{"t"});
  byte_vector fetch_frame;
  const auto fetch = request_of<fetch_request>("fetch_v18_java", fetch_frame);
  EXPECT_EQ(fetch.replica_state.replica_id, -1);
  EXPECT_EQ(fetch.max_bytes, 52428800);
  EXPECT_EQ(fetch.topics.at(0).partitions.at(0).high_watermark, 0x7fffffffffffffff);
}

TEST(kafka_golden, librdkafka_commits_and_joins) {
  byte_vector frame;
  const auto join = request_of<join_group_request>("join_group_v5_rdkafka", frame);
  EXPECT_EQ(join.session_timeout_ms, 45000);
  EXPECT_EQ(join.protocols.size(), 2U);
  EXPECT_EQ(join.protocols[0].name, "range");
}

}  // namespace
}  // namespace weir::kafka
