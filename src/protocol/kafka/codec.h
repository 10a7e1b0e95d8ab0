// Kafka's wire codec: frames' headers, and messages from and to bytes in a given version.
//
// Decoding borrows from its input, never reads past it, and allocates only arrays, each checked first:
// against the bytes that remain (an element takes at least its least size) and against a budget for the whole
// message. What is wrong with the bytes is a fault errc::invalid; a version outside of the table is
// errc::unsupported. Encoding cannot fail. A field that the version lacks is left out; null where the version
// has no null becomes empty; text beyond 32767 bytes, which no version can carry, is cut. Thread: pure
// functions and values.
#pragma once

#include <bit>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/common/output.h"
#include "protocol/kafka/gen/api_table.h"
#include "protocol/kafka/wire.h"

namespace weir::kafka {

// The memory that the arrays of one decoded message may take, whatever its size on the wire.
inline constexpr std::size_t decoded_bytes_max = std::size_t{64} << 20;
// The elements of all lists of one request together. A request for 200,000 partitions is an honest one; small elements
// grow most when they are answered, so past this the connection ends, whatever their bytes.
inline constexpr std::size_t request_items_max = 250'000;
// What Kafka's own clients and brokers accept as text, in every version.
inline constexpr std::size_t text_bytes_max = 32767;

// --- the table

[[nodiscard]] const api_info* find_api(std::int16_t key) noexcept;  // null: unknown
[[nodiscard]] const api_info& info_of(api_key key) noexcept;
[[nodiscard]] inline bool is_flexible(api_key key, std::int16_t version) noexcept {
  return version >= info_of(key).first_flexible;
}

// --- headers. A frame here is what follows its 4-byte length.

struct request_header {
  std::int16_t key = 0;
  std::int16_t version = 0;
  std::int32_t correlation_id = 0;
  // False when the key is unknown or the codec does not read this version; client_id and body are then empty.
  bool supported = false;
  std::optional<std::string_view> client_id;
  bytes body;
};
[[nodiscard]] result<request_header> decode_request_header(bytes frame);

struct response_header {
  std::int32_t correlation_id = 0;
  bytes body;
};
[[nodiscard]] result<response_header> decode_response_header(bytes frame, api_key key, std::int16_t version);

// Writes a length to be filled in and the header. end_frame fills it in.
struct frame_mark {
  std::size_t place = 0;  // of the length in the inline part
  std::size_t start = 0;  // bytes in all before the frame
};
[[nodiscard]] frame_mark begin_response(protocol::output& out, api_key key, std::int16_t version,
                                        std::int32_t correlation_id);
[[nodiscard]] frame_mark begin_request(protocol::output& out, api_key key, std::int16_t version,
                                       std::int32_t correlation_id, std::optional<std::string_view> client_id);
void end_frame(protocol::output& out, frame_mark mark);

// --- one direction each; the generated visitors call them

class decoder {
 public:
  static constexpr bool writes = false;

  decoder(bytes in, std::int16_t version, bool flexible, std::size_t items_max = SIZE_MAX)
      : p_(in.data()), end_(in.data() + in.size()), version_(version), flexible_(flexible), items_(items_max) {}

  [[nodiscard]] std::int16_t version() const { return version_; }
  [[nodiscard]] bool ok() const { return why_ == nullptr; }
  [[nodiscard]] const char* why() const { return why_; }
  [[nodiscard]] bytes rest() const { return {p_, end_}; }

  void field(bool& v) { v = fixed<std::uint8_t>() != 0; }
  template<class T>
  requires std::is_integral_v<T>
  void field(T& v) { v = fixed<T>(); }
  void field(error_code& v) { v = static_cast<error_code>(fixed<std::int16_t>()); }
  void field(double& v) { v = std::bit_cast<double>(fixed<std::uint64_t>()); }
  void field(uuid& v);
  void field(std::string_view& v);
  void field(std::optional<std::string_view>& v);
  void field(bytes& v);
  void field(std::optional<bytes>& v);
  void field(records& v);
  template<structure T>
  void field(T& v) {
    T::visit(*this, v);
  }
  template<structure T>
  void field(std::optional<T>& v) {
    v.reset();
    if (fixed<std::int8_t>() >= 0 && ok()) {
      v = T{};  // not emplace(): clang 14 finds a nested aggregate with member defaults not constructible
      field(*v);
    }
  }
  template<class T>
  void field(std::vector<T>& v) {
    v.clear();
    elements(v, count(least<T>(), sizeof(T)));
  }
  template<class T>
  void field(std::optional<std::vector<T>>& v) {
    const std::int64_t n = count(least<T>(), sizeof(T));
    if (n < 0) return v.reset();
    elements(v.emplace(), n);
  }
  // A nullable field in a version where it must be there.
  template<class T>
  void required(std::optional<T>& v) {
    field(v);
    if (!v && ok()) fail("null where a value must be");
  }

  void no_tags() {
    if (flexible_) tags([](auto&) {});
  }
  template<class F>
  void tags(F&& visit_known);

 private:
  // What a structure's visitor sees for each tag on the wire: it reads the one that has the number.
  struct tag_reader {
    decoder& in;
    std::uint32_t number;
    bool known = false;
    template<class T, class... Default>
    void field(std::uint32_t tag, T& v, Default&&...) {
      if (tag != number) return;
      known = true;
      in.field(v);
    }
  };

  template<class T>
  [[nodiscard]] std::size_t least() const {
    if constexpr (structure<T>)
      return T::min_size(version_);
    else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, bytes>)
      return flexible_ ? 1 : 2;
    else
      return sizeof(T);
  }
  template<class T>
  void elements(std::vector<T>& v, std::int64_t n) {
    if (n < 0 && ok()) fail("null where a list must be");
    if (!ok() || n <= 0) return;
    v.resize(static_cast<std::size_t>(n));
    for (T& e : v) {
      field(e);
      if (!ok()) return;
    }
  }
  template<class T>
  [[nodiscard]] T fixed() {
    if (static_cast<std::size_t>(end_ - p_) < sizeof(T)) {
      fail("ends too early");
      return T{};
    }
    const T v = load_be<T>(p_);
    p_ += sizeof(T);
    return v;
  }
  void fail(const char* why) {
    if (why_ == nullptr) why_ = why;
    p_ = end_;
  }
  [[nodiscard]] std::uint32_t varint();
  // Lengths; -1 is null, also after a failure.
  [[nodiscard]] std::int64_t text_length();
  [[nodiscard]] std::int64_t blob_length();
  [[nodiscard]] std::int64_t count(std::size_t least_size, std::size_t memory_each);
  [[nodiscard]] bytes take(std::int64_t n);

  const std::byte* p_;
  const std::byte* end_;
  std::int16_t version_;
  bool flexible_;
  std::size_t items_;  // list elements that may still come
  std::size_t budget_ = decoded_bytes_max;
  const char* why_ = nullptr;
};

class encoder {
 public:
  static constexpr bool writes = true;

  encoder(protocol::output& out, std::int16_t version, bool flexible)
      : out_(&out), buffer_(&out.tail()), version_(version), flexible_(flexible) {}

  [[nodiscard]] std::int16_t version() const { return version_; }

  void field(bool v) { fixed<std::uint8_t>(v ? 1 : 0); }
  template<class T>
  requires std::is_integral_v<T>
  void field(T v) { fixed(v); }
  void field(error_code v) { fixed(static_cast<std::int16_t>(v)); }
  void field(double v) { fixed(std::bit_cast<std::uint64_t>(v)); }
  void field(const uuid& v) { raw(std::as_bytes(std::span(v.data))); }
  void field(std::string_view v);
  void field(const std::optional<std::string_view>& v);
  void field(bytes v);
  void field(const std::optional<bytes>& v);
  void field(const records& v);
  template<structure T>
  void field(const T& v) {
    T::visit(*this, v);
  }
  template<structure T>
  void field(const std::optional<T>& v) {
    fixed<std::int8_t>(v ? 1 : -1);
    if (v) field(*v);
  }
  template<class T>
  void field(const std::vector<T>& v) {
    length(static_cast<std::int64_t>(v.size()));
    for (const T& e : v) field(e);
  }
  template<class T>
  void field(const std::optional<std::vector<T>>& v) {
    if (v) return field(*v);
    length(-1);
  }
  template<class T>
  void required(const std::optional<T>& v) {
    if (v) return field(*v);
    field(T{});
  }

  void no_tags() {
    if (flexible_) varint(0);
  }
  template<class F>
  void tags(F&& visit_all);

 private:
  // First pass: how many tagged fields differ from their defaults.
  struct tag_counter {
    std::uint32_t n = 0;
    template<class T>
    void field(std::uint32_t, const T& v, const std::type_identity_t<T>& standard = T{}) {
      n += is_standard(v, standard) ? 0 : 1;
    }
  };
  struct tag_writer {
    encoder& to;
    template<class T>
    void field(std::uint32_t tag, const T& v, const std::type_identity_t<T>& standard = T{}) {
      if (!is_standard(v, standard)) to.tagged(tag, v);
    }
  };
  template<class T>
  [[nodiscard]] static bool is_standard(const T& v, const T& standard) {
    return v == standard;
  }
  template<class T>
  [[nodiscard]] static bool is_standard(const std::vector<T>& v, const std::vector<T>&) {
    return v.empty();
  }
  template<class T>
  void tagged(std::uint32_t tag, const T& v) {
    byte_vector scratch;
    encoder inner(*out_, version_, flexible_);
    inner.buffer_ = &scratch;
    inner.field(v);
    varint(tag);
    varint(static_cast<std::uint32_t>(scratch.size()));
    raw(scratch);
  }

  template<class T>
  void fixed(T v) {
    const std::size_t at = buffer_->size();
    buffer_->resize(at + sizeof(T));
    store_be(buffer_->data() + at, v);
  }
  void raw(bytes b) { buffer_->insert(buffer_->end(), b.begin(), b.end()); }
  void varint(std::uint32_t v);
  void length(std::int64_t n);  // of a list or blob; -1 is null

  protocol::output* out_;
  byte_vector* buffer_;
  std::int16_t version_;
  bool flexible_;
};

template<class F>
void decoder::tags(F&& visit_known) {
  if (!flexible_) return;
  std::uint32_t n = varint();
  for (; n != 0 && ok(); --n) {
    tag_reader reader{*this, varint()};
    const std::uint32_t size = varint();
    if (!ok()) return;
    if (size > static_cast<std::size_t>(end_ - p_)) return fail("a tagged field runs past the end");
    const std::byte* const outer_end = end_;
    end_ = p_ + size;
    visit_known(reader);
    if (!ok()) return;
    if (reader.known && p_ != end_) return fail("a tagged field has bytes left over");
    p_ = end_;  // an unknown tag is skipped
    end_ = outer_end;
  }
}

template<class F>
void encoder::tags(F&& visit_all) {
  if (!flexible_) return;
  tag_counter counter;
  visit_all(counter);
  varint(counter.n);
  tag_writer writer{*this};
  if (counter.n != 0) visit_all(writer);
}

// --- messages

template<class M>
concept message = structure<M> && requires {
  M::first_flexible;
};
template<class M>
concept api_message = message<M> && requires {
  M::api;
};

[[nodiscard]] fault decode_fault(const decoder& in, bytes body);
[[nodiscard]] fault version_fault(std::int16_t version);
void assert_version(bool in_range);

// The whole of `body` must be one message.
template<message M>
[[nodiscard]] result<M> decode(bytes body, std::int16_t version) {
  if (version < M::min_version || version > M::max_version) return version_fault(version);
  result<M> m{M{}};
  decoder in(body, version, version >= M::first_flexible);
  M::read(in, *m);
  if (!in.ok() || !in.rest().empty()) return decode_fault(in, body);
  return m;
}

// A client's request: bytes after the message are let be, as Kafka does. librdkafka 2.16 asks for all topics with an
// array count of four zero bytes where one says null, and so sends three bytes too many.
template<message M>
[[nodiscard]] result<M> decode_leading(bytes body, std::int16_t version) {
  if (version < M::min_version || version > M::max_version) return version_fault(version);
  result<M> m{M{}};
  decoder in(body, version, version >= M::first_flexible, request_items_max);
  M::read(in, *m);
  if (!in.ok()) return decode_fault(in, body);
  return m;
}

// Appends the message without any header. The version must be in the message's range.
template<message M>
void encode(const M& m, std::int16_t version, protocol::output& out) {
  assert_version(version >= M::min_version && version <= M::max_version);
  encoder to(out, version, version >= M::first_flexible);
  M::write(to, m);
}

// Appends a whole frame: length, header, message.
template<api_message M>
requires(!M::is_request) void encode_response(const M& m, std::int16_t version, std::int32_t correlation_id,
                                              protocol::output& out) {
  const frame_mark mark = begin_response(out, M::api, version, correlation_id);
  encode(m, version, out);
  end_frame(out, mark);
}
template<api_message M>
requires(M::is_request) void encode_request(const M& m, std::int16_t version, std::int32_t correlation_id,
                                            std::optional<std::string_view> client_id, protocol::output& out) {
  const frame_mark mark = begin_request(out, M::api, version, correlation_id, client_id);
  encode(m, version, out);
  end_frame(out, mark);
}

}  // namespace weir::kafka
