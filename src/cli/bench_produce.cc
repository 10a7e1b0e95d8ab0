// Producing load. Batches are built once and sent by reference, so that the generator costs far less than the broker; with
// `stamp` each batch is a copy whose last record begins with its intended send time, and its checksum is renewed.
#include <fmt/format.h>
#include <algorithm>
#include <deque>

#include "cli/bench_load.h"
#include "protocol/kafka/records.h"

namespace weir::cli {
namespace {

constexpr std::size_t variants = 8;  // different payloads, so that nothing can profit from equal bytes
constexpr std::size_t request_bytes = std::size_t{1} << 20;
constexpr std::int16_t newest_by_name = 12;  // version 13 names topics by id

struct prepared_batch {
  std::shared_ptr<const byte_vector> data;
  std::size_t stamp_at = 0;  // 8 bytes at the beginning of the last record's value
};

// Half of each payload is noise and half zero: it compresses to about a half, as usual in such measurements.
byte_vector payload_of(std::size_t size, std::uint64_t seed) {
  byte_vector value(size);
  for (std::size_t i = 0; i < size / 2; ++i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    value[i] = static_cast<std::byte>(seed >> 56);
  }
  return value;
}

result<prepared_batch> prepare(std::size_t records, std::size_t size, std::uint64_t seed) {
  kafka::batch_builder builder({});
  const std::int64_t now = wall_clock_ms();
  for (std::size_t i = 0; i < records; ++i) builder.add(now, std::nullopt, payload_of(size, seed * 1'000'003 + i));
  auto built = builder.finish();
  if (!built) return built.error();
  // A record ends with its value and one byte that says: no headers.
  const std::size_t stamp_at = built->size() - 1 - size;
  return prepared_batch{std::make_shared<const byte_vector>(std::move(*built)), stamp_at};
}

class produce_load final : public bench_load {
 public:
  produce_load(const bench_options& o, std::int16_t version) : o_(o), version_(version) {}

  weir::result<void> open(const std::vector<broker_address>& to) {
    per_batch_ = std::max<std::int64_t>(1, (o_.batch - 61) / (o_.size + 8));
    if (o_.stamp && o_.size < 8) return fault(errc::invalid, "end-to-end latency needs records of at least 8 bytes");
    for (std::size_t i = 0; i < variants; ++i) {
      auto b = prepare(static_cast<std::size_t>(per_batch_), static_cast<std::size_t>(o_.size), i + 1);
      if (!b) return b.error();
      batches_.push_back(std::move(*b));
    }
    if (o_.rate > 0) interval_ns_ = static_cast<double>(per_batch_) * 1e9 / o_.rate;
    lanes_.resize(static_cast<std::size_t>(o_.connections));
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      auto socket = tcp_socket::connect(to.front(), 10'000);
      if (!socket) return socket.error();
      links_.push_back(std::make_unique<bench_link>(std::move(*socket), [this, i](bytes f) { on_frame(i, f); }));
      share_partitions(i);
    }
    return {};
  }

  const std::vector<std::unique_ptr<bench_link>>& links() const override { return links_; }
  measured& result() override { return measured_; }
  void stop(std::int64_t now) override {
    measured_.closed = stopped_ = true;
    if (o_.rate <= 0) return;
    // What was due and is not even sent has waited so long already: leaving it out would hide the worst.
    for (; due(now, 1) == 1; ++issued_) {
      measured_.latency.record(now - due_time(issued_), static_cast<std::uint64_t>(per_batch_));
      measured_.unsent += static_cast<std::uint64_t>(per_batch_);
    }
  }
  bool idle() const override {
    return std::ranges::all_of(lanes_, [](const lane& l) { return l.sent.empty(); });
  }
  bool finished() const override {
    return o_.records > 0 && measured_.records >= static_cast<std::uint64_t>(o_.records);
  }

  void begin(std::int64_t now) override {
    start_ = now;
    tick(now);
  }

  std::int64_t next_due() const override {
    if (planned_end() || !any_room()) return INT64_MAX;  // when all connections are full only an answer helps
    return o_.rate > 0 ? due_time(issued_) : 0;
  }

  void tick(std::int64_t now) override {
    if (stopped_) return;
    // Once around: every connection that has room gets one request.
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const std::size_t turn = (first_lane_ + i) % lanes_.size();
      if (has_room(turn)) send_one(turn, now);
    }
    first_lane_ = (first_lane_ + 1) % lanes_.size();
  }

 private:
  struct flight {
    std::vector<std::int64_t> intended;  // one for each batch of the request
  };
  struct lane {
    std::vector<std::int32_t> partitions;
    std::size_t next = 0;
    std::deque<flight> sent;
  };

  [[nodiscard]] bool has_room(std::size_t index) const {
    if (o_.acks == 0) return !links_[index]->wants_to_write();  // nobody answers: the socket is the limit
    return lanes_[index].sent.size() < static_cast<std::size_t>(o_.in_flight);
  }
  [[nodiscard]] bool any_room() const {
    for (std::size_t i = 0; i < lanes_.size(); ++i)
      if (has_room(i)) return true;
    return false;
  }
  [[nodiscard]] bool planned_end() const { return o_.records > 0 && issued_ * per_batch_ >= o_.records; }
  [[nodiscard]] std::int64_t due_time(std::int64_t batch) const {
    return start_ + static_cast<std::int64_t>(static_cast<double>(batch) * interval_ns_);
  }

  void share_partitions(std::size_t index) {
    const auto lanes = static_cast<std::int32_t>(lanes_.size());
    const auto i = static_cast<std::int32_t>(index);
    lane& l = lanes_[index];
    for (std::int32_t p = i; p < o_.partitions; p += lanes) l.partitions.push_back(p);
    if (l.partitions.empty()) l.partitions.push_back(i % o_.partitions);  // more connections than partitions
    const std::size_t fits = std::max<std::size_t>(1, request_bytes / batches_.front().data->size());
    const std::size_t most = o_.per_request > 0 ? static_cast<std::size_t>(o_.per_request) : fits;
    per_request_ = std::max(per_request_, std::min(most, l.partitions.size()));
  }

  // How many batches of the plan are due, at most `most`.
  [[nodiscard]] std::size_t due(std::int64_t now, std::size_t most) const {
    std::size_t n = 0;
    while (n < most && !(o_.records > 0 && (issued_ + static_cast<std::int64_t>(n)) * per_batch_ >= o_.records) &&
           (o_.rate <= 0 || due_time(issued_ + static_cast<std::int64_t>(n)) <= now))
      ++n;
    return n;
  }

  void send_one(std::size_t index, std::int64_t now) {
    lane& l = lanes_[index];
    const std::size_t n = due(now, std::min(per_request_, l.partitions.size()));
    if (n == 0) return;
    flight f;
    f.intended.reserve(n);
    request_.acks = static_cast<std::int16_t>(o_.acks);
    request_.timeout_ms = 30'000;
    request_.topics.resize(1);
    request_.topics[0].name = o_.topic;
    auto& partitions = request_.topics[0].partitions;
    partitions.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t intended = o_.rate > 0 ? due_time(issued_) : now;
      f.intended.push_back(intended);
      partitions[i].index = l.partitions[l.next];
      l.next = (l.next + 1) % l.partitions.size();
      partitions[i].records.pieces = {piece(intended)};
      ++issued_;
    }
    protocol::output out;
    kafka::encode_request(request_, version_, links_[index]->next_correlation(), kafka_client::client_id, out);
    links_[index]->send(std::move(out));
    if (o_.acks == 0) {
      count(f, now);
    } else {
      l.sent.push_back(std::move(f));
    }
  }

  [[nodiscard]] model::shared_bytes piece(std::int64_t intended) {
    const prepared_batch& b = batches_[static_cast<std::size_t>(issued_) % batches_.size()];
    if (!o_.stamp) return {*b.data, b.data};
    auto copy = std::make_shared<byte_vector>(*b.data);
    store_le(copy->data() + b.stamp_at, intended);
    kafka::seal_batch(*copy);
    return {*copy, copy};
  }

  void count(const flight& f, std::int64_t now) {
    if (!measured_.closed) {
      ++measured_.requests;
      measured_.records += f.intended.size() * static_cast<std::uint64_t>(per_batch_);
      measured_.bytes += f.intended.size() * batches_.front().data->size();
    }
    if (o_.acks == 0) return;
    for (const std::int64_t intended : f.intended)
      measured_.latency.record(now - intended, static_cast<std::uint64_t>(per_batch_));
  }

  void on_frame(std::size_t index, bytes frame) {
    lane& l = lanes_[index];
    if (l.sent.empty()) return measured_.count_error(kafka::error_code::unknown_server_error, "an answer too many");
    const flight f = std::move(l.sent.front());
    l.sent.pop_front();
    const auto header = kafka::decode_response_header(frame, kafka::api_key::produce, version_);
    const auto answer = header ? kafka::decode<kafka::produce_response>(header->body, version_)
                               : weir::result<kafka::produce_response>(header.error());
    if (!answer) return measured_.count_error(kafka::error_code::unknown_server_error, answer.error().text);
    flight good;
    std::size_t i = 0;
    for (const auto& t : answer->topics)
      for (const auto& p : t.partitions) {
        if (i == f.intended.size()) break;
        if (p.error_code == kafka::error_code::none)
          good.intended.push_back(f.intended[i]);
        else
          measured_.count_error(p.error_code, p.error_message.value_or(""));
        ++i;
      }
    count(good, steady_ns());
  }

  const bench_options& o_;
  std::int16_t version_;
  std::vector<prepared_batch> batches_;
  std::int64_t per_batch_ = 1;
  double interval_ns_ = 0;
  std::size_t per_request_ = 1;
  std::vector<std::unique_ptr<bench_link>> links_;
  std::vector<lane> lanes_;
  std::size_t first_lane_ = 0;
  kafka::produce_request request_;
  std::int64_t start_ = 0;
  std::int64_t issued_ = 0;
  bool stopped_ = false;
  measured measured_;
};

}  // namespace

result<std::unique_ptr<bench_load>> make_produce_load(const bench_options& o) {
  const auto to = parse_addresses(o.brokers);
  if (!to) return to.error();
  auto client = kafka_client::connect(*to);
  if (!client) return client.error();
  if (auto made = ensure_topic(**client, o); !made) return made.error();
  const std::int16_t version = (*client)->ranges().pick(kafka::api_key::produce, 3, newest_by_name);
  if (version < 0) return fault(errc::unsupported, "the broker takes no Produce request of version 3 to 12");
  auto load = std::make_unique<produce_load>(o, version);
  if (auto opened = load->open({(*client)->address()}); !opened) return opened.error();
  return std::unique_ptr<bench_load>(std::move(load));
}

}  // namespace weir::cli
