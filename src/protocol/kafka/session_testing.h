// What the tests of sessions share: a client's side of one connection. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "protocol/kafka/gen/messages.h"
#include "protocol/kafka/testing.h"

namespace weir::kafka::testing {

struct conversation {
  session_options options;
  fake_host host;
  fake_broker broker;
  std::unique_ptr<session> s = std::make_unique<session>(host, broker, options);
  byte_vector input;
  byte_vector received;

  template<class R>
  void put(const R& r, std::int16_t version, std::int32_t correlation = 7) {
    protocol::output o;
    encode_request(r, version, correlation, "test", o);
    const auto b = flat(o);
    input.insert(input.end(), b.begin(), b.end());
  }
  static byte_vector flat(protocol::output& o) {
    std::vector<bytes> views;
    o.gather(views);
    byte_vector all;
    for (const bytes v : views) all.insert(all.end(), v.begin(), v.end());
    o.clear();
    return all;
  }
  void collect() {
    const byte_vector more = flat(s->out());
    received.insert(received.end(), more.begin(), more.end());
  }
  // Presents what was put, as a shell does.
  void play() {
    const std::size_t used = s->on_bytes(input, mono_ns(0));
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(used));
    collect();
  }
  // Correlation ids of all whole answers so far.
  std::vector<std::int32_t> answered() {
    std::vector<std::int32_t> ids;
    byte_reader in(received);
    while (in.remaining() >= 4) {
      const auto n = in.be<std::uint32_t>();
      const bytes frame = in.view(n);
      if (!in.ok()) break;
      ids.push_back(load_be<std::int32_t>(frame.data()));
    }
    return ids;
  }
  template<class R>
  R last(std::int16_t version) {
    const bytes frame = bytes(received).subspan(4);
    const auto h = decode_response_header(frame, R::api, version);
    EXPECT_TRUE(h);
    auto m = decode<R>(h->body, version);
    EXPECT_TRUE(m) << m.error().describe();
    return *m;
  }
};

inline fetch_request one_partition() {
  fetch_request r;
  auto& t = r.topics.emplace_back();
  t.name = "t";
  t.partitions.emplace_back();
  return r;
}

}  // namespace weir::kafka::testing
