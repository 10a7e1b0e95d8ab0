// What tests and fuzzers do with generated messages, as visitors like the codec's: fill them with random
// values of one version, and print them. Never linked into the broker.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/random.h"
#include "protocol/kafka/codec.h"
#include "protocol/kafka/gen/messages.h"

namespace weir::kafka::testing {

class seeded_rng final : public rng {
 public:
  explicit seeded_rng(std::uint64_t seed) : state_(seed) {}
  // splitmix64
  [[nodiscard]] std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

// Fills every field that the version has; the texts live in the filler. `elements` is the length of lists, or
// -1 for random lengths of 0 to 3; `bare` leaves everything that is not a list at its default.
class filler {
 public:
  static constexpr bool writes = false;

  filler(rng& random, std::int16_t version, int elements = -1, bool bare = false)
      : random_(random), version_(version), elements_(elements), bare_(bare) {}

  [[nodiscard]] std::int16_t version() const { return version_; }

  void field(bool& v) { v = pick(v, random_.below(2) == 1); }
  void field(double& v) { v = pick(v, static_cast<double>(random_.below(1000)) / 8); }
  void field(error_code& v) { v = pick(v, static_cast<error_code>(random_.below(130))); }
  template<class T>
  requires std::is_integral_v<T>
  void field(T& v) { v = pick(v, static_cast<T>(random_.next())); }
  void field(uuid& v) {
    for (std::uint8_t& b : v.data) b = pick(b, static_cast<std::uint8_t>(random_.next()));
  }
  void field(std::string_view& v) { v = text(); }
  void field(bytes& v) { v = as_bytes(text()); }
  void field(records& v) { v.data = as_bytes(text()); }
  template<structure T>
  void field(T& v) {
    T::visit(*this, v);
  }
  template<class T>
  void field(std::vector<T>& v) {
    v.resize(elements_ >= 0 ? static_cast<std::size_t>(elements_) : random_.below(4));
    for (T& e : v) field(e);
  }
  template<class T>
  void field(std::optional<T>& v) {
    v.reset();
    if (!bare_ && random_.below(4) != 0) field(v.emplace());
  }
  template<class T>
  void required(std::optional<T>& v) {
    field(v.emplace());
  }
  void no_tags() {}
  template<class F>
  void tags(F&& visit_all) {
    tag_filler t{*this};
    if (!bare_) visit_all(t);
  }

 private:
  struct tag_filler {
    filler& f;
    template<class T, class... Default>
    void field(std::uint32_t, T& v, Default&&...) {
      f.field(v);
    }
  };
  template<class T>
  [[nodiscard]] T pick(T standard, T value) const {
    return bare_ ? standard : value;
  }
  std::string_view text() {
    if (bare_) return {};
    std::string& s = texts_.emplace_back(random_.below(random_.below(16) == 0 ? 300 : 12), 'x');
    for (char& c : s) c = static_cast<char>(random_.next());
    return s;
  }

  rng& random_;
  std::int16_t version_;
  int elements_;
  bool bare_;
  std::deque<std::string> texts_;
};

// Prints every field that the version has, so that two messages of one version are equal when their prints
// are.
class dumper {
 public:
  static constexpr bool writes = true;

  explicit dumper(std::int16_t version) : version_(version) {}
  [[nodiscard]] std::int16_t version() const { return version_; }
  [[nodiscard]] const std::string& text() const { return out_; }

  void field(bool v) { put(v ? "true" : "false"); }
  void field(double v) { put(std::to_string(v)); }
  void field(error_code v) { put(name_of(v)); }
  template<class T>
  requires std::is_integral_v<T>
  void field(T v) { put(std::to_string(v)); }
  void field(const uuid& v) { put({reinterpret_cast<const char*>(v.data.data()), v.data.size()}); }
  void field(std::string_view v) { put(v); }
  void field(bytes v) { put(as_text(v)); }
  void field(const records& v) {
    std::string all(as_text(v.data));
    for (const model::shared_bytes& p : v.pieces) all += as_text(p.data);
    put(v.null ? std::string_view("null") : std::string_view(all));
  }
  template<structure T>
  void field(const T& v) {
    out_ += '{';
    T::visit(*this, v);
    out_ += '}';
  }
  template<class T>
  void field(const std::vector<T>& v) {
    put(std::to_string(v.size()) + "x");
    for (const T& e : v) field(e);
  }
  template<class T>
  void field(const std::optional<T>& v) {
    if (v)
      field(*v);
    else
      put("null");
  }
  template<class T>
  void required(const std::optional<T>& v) {
    field(v.value_or(T{}));
  }
  void no_tags() {}
  template<class F>
  void tags(F&& visit_all) {
    visit_all(*this);
  }
  // A tagged field.
  template<class T, class... Default>
  void field(std::uint32_t tag, const T& v, Default&&...) {
    put("#" + std::to_string(tag));
    field(v);
  }

 private:
  void put(std::string_view s) {
    out_ += std::to_string(s.size());
    out_ += ':';
    out_ += s;
    out_ += ' ';
  }
  std::int16_t version_;
  std::string out_;
};

template<message M>
[[nodiscard]] std::string dump(const M& m, std::int16_t version) {
  dumper d(version);
  M::visit(d, m);
  return d.text();
}

// For fuzzers: what the decoder takes, the encoder must write so that it is taken again as the same message.
template<message M>
void check_any_body(bytes body, std::int16_t version) {
  const result<M> m = decode<M>(body, version);
  if (!m) return;
  protocol::output out;
  encode(*m, version, out);
  const bytes wire(out.tail());  // decoded records are views, so nothing is shared
  const result<M> again = decode<M>(wire, version);
  WEIR_ASSERT(again.has_value());
  WEIR_ASSERT(dump(*m, version) == dump(*again, version));
}

}  // namespace weir::kafka::testing
