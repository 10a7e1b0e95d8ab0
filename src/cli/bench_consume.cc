// Consuming load: each connection keeps some fetches unanswered, each over its own partitions, from the earliest offset
// (or the end) on. Batches are walked by their heads only, so that the generator costs far less than the broker.
#include <fmt/format.h>
#include <algorithm>
#include <deque>

#include "cli/bench_load.h"
#include "protocol/kafka/records.h"

namespace weir::cli {
namespace {

constexpr std::int16_t newest_by_name = 12;  // version 13 names topics by id
constexpr std::int32_t wait_ms = 500;

struct position {
  std::int32_t partition = 0;
  std::int64_t next = 0;
  std::int64_t end = 0;  // of the log at the start
};

// Where each partition begins (-2) or ends (-1).
result<std::vector<std::int64_t>> ask_offsets(kafka_client& client, const bench_options& o, std::int64_t which) {
  kafka::list_offsets_request ask;
  auto& topic = ask.topics.emplace_back();
  topic.name = o.topic;
  for (std::int32_t p = 0; p < o.partitions; ++p) {
    auto& partition = topic.partitions.emplace_back();
    partition.index = p;
    partition.timestamp = which;
  }
  const auto a = client.call<kafka::list_offsets_response>(ask);
  if (!a) return a.error();
  std::vector<std::int64_t> out(static_cast<std::size_t>(o.partitions), 0);
  for (const auto& t : a->message.topics)
    for (const auto& p : t.partitions) {
      if (p.error_code != kafka::error_code::none)
        return fault(errc::not_found, fmt::format("{} partition {}: {}", o.topic, p.index, explain(p.error_code)));
      if (p.index >= 0 && p.index < o.partitions) out[static_cast<std::size_t>(p.index)] = p.offset;
    }
  return out;
}

class consume_load final : public bench_load {
 public:
  consume_load(const bench_options& o, std::int16_t version) : o_(o), version_(version) {}

  weir::result<void> open(kafka_client& client, bool from_end) {
    const auto begin = ask_offsets(client, o_, from_end ? -1 : -2);
    if (!begin) return begin.error();
    const auto end = ask_offsets(client, o_, -1);
    if (!end) return end.error();
    const auto connections = static_cast<std::size_t>(std::min(o_.connections, o_.partitions));
    lanes_.resize(connections);
    const std::size_t most = std::max<std::size_t>(1, static_cast<std::size_t>(o_.partitions) / connections);
    for (std::size_t i = 0; i < connections; ++i) {
      lanes_[i].sets.resize(std::min<std::size_t>(static_cast<std::size_t>(std::max(o_.fetches, 1)), most));
      auto socket = tcp_socket::connect(client.address(), 10'000);
      if (!socket) return socket.error();
      links_.push_back(std::make_unique<bench_link>(std::move(*socket), [this, i](bytes f) { on_frame(i, f); }));
    }
    for (std::int32_t p = 0; p < o_.partitions; ++p) {
      const auto n = static_cast<std::size_t>(p);
      lane& l = lanes_[n % connections];
      l.sets[(n / connections) % l.sets.size()].push_back({p, (*begin)[n], (*end)[n]});
    }
    return {};
  }

  const std::vector<std::unique_ptr<bench_link>>& links() const override { return links_; }
  measured& result() override { return measured_; }
  void stop(std::int64_t) override { measured_.closed = stopped_ = true; }
  bool idle() const override {
    return std::ranges::all_of(lanes_, [](const lane& l) { return l.sent.empty(); });
  }
  bool finished() const override {
    if (o_.records > 0 && measured_.records >= static_cast<std::uint64_t>(o_.records)) return true;
    if (!o_.to_end) return false;
    for (const lane& l : lanes_)
      for (const auto& set : l.sets)
        if (std::ranges::any_of(set, [](const position& p) { return p.next < p.end; })) return false;
    return true;
  }
  void begin(std::int64_t now) override {
    for (std::size_t i = 0; i < lanes_.size(); ++i)
      for (std::size_t s = 0; s < lanes_[i].sets.size(); ++s) ask(i, s, now);
  }
  void tick(std::int64_t) override {}
  std::int64_t next_due() const override { return INT64_MAX; }

 private:
  struct flight {
    std::size_t set = 0;
    std::int64_t asked = 0;
  };
  struct lane {
    std::vector<std::vector<position>> sets;  // one fetch each
    std::deque<flight> sent;
  };

  void ask(std::size_t index, std::size_t set, std::int64_t now) {
    if (stopped_) return;
    request_.max_wait_ms = wait_ms;
    request_.min_bytes = 1;
    request_.max_bytes = 50 << 20;
    request_.session_epoch = -1;
    request_.topics.resize(1);
    request_.topics[0].name = o_.topic;
    auto& partitions = request_.topics[0].partitions;
    partitions.clear();
    for (const position& at : lanes_[index].sets[set]) {
      // A partition that is read to its end would make the fetch wait for news of it.
      if (o_.to_end && at.next >= at.end) continue;
      auto& p = partitions.emplace_back();
      p.index = at.partition;
      p.fetch_offset = at.next;
      p.max_bytes = static_cast<std::int32_t>(o_.fetch_bytes);
    }
    if (partitions.empty()) return;
    protocol::output out;
    kafka::encode_request(request_, version_, links_[index]->next_correlation(), kafka_client::client_id, out);
    lanes_[index].sent.push_back({set, now});
    links_[index]->send(std::move(out));
  }

  void on_frame(std::size_t index, bytes frame) {
    lane& l = lanes_[index];
    if (l.sent.empty()) return measured_.count_error(kafka::error_code::unknown_server_error, "an answer too many");
    const flight f = l.sent.front();
    l.sent.pop_front();
    const std::int64_t now = steady_ns();
    const auto header = kafka::decode_response_header(frame, kafka::api_key::fetch, version_);
    const auto answer = header ? kafka::decode<kafka::fetch_response>(header->body, version_)
                               : weir::result<kafka::fetch_response>(header.error());
    if (!answer) {
      measured_.count_error(kafka::error_code::unknown_server_error, answer.error().text);
      return ask(index, f.set, now);
    }
    if (!measured_.closed) ++measured_.requests;
    if (answer->error_code != kafka::error_code::none) measured_.count_error(answer->error_code);
    std::uint64_t fresh = 0;
    for (const auto& t : answer->topics)
      for (const auto& p : t.partitions) {
        const auto at = std::ranges::find(l.sets[f.set], p.index, &position::partition);
        if (p.error_code != kafka::error_code::none)
          measured_.count_error(p.error_code);
        else if (at != l.sets[f.set].end())
          fresh += walk(*at, p.records.data, now);
      }
    if (fresh != 0) measured_.latency.record(now - f.asked, fresh);
    ask(index, f.set, now);
  }

  // Gives how many records were new.
  std::uint64_t walk(position& at, bytes data, std::int64_t now) {
    kafka::batch_cursor batches(data);
    std::uint64_t all = 0;
    for (;;) {
      const auto b = batches.next();
      if (!b) measured_.count_error(kafka::error_code::corrupt_message, b.error().text);
      if (!b || !*b) return all;
      const kafka::batch_view& batch = **b;
      if (batch.last_offset() < at.next) continue;
      // A batch may begin before the offset that was asked for.
      const std::int64_t skipped = std::max<std::int64_t>(at.next - batch.base_offset(), 0);
      const std::int64_t fresh = std::max<std::int64_t>(batch.record_count() - skipped, 0);
      all += static_cast<std::uint64_t>(fresh);
      if (!measured_.closed) {
        measured_.records += static_cast<std::uint64_t>(fresh);
        measured_.bytes += batch.size();
      }
      at.next = batch.last_offset() + 1;
      const std::size_t stamp_end = static_cast<std::size_t>(o_.size) + 1;
      if (!o_.stamp || fresh == 0 || batch.size() < kafka::batch_head_bytes + stamp_end) continue;
      const std::int64_t sent = load_le<std::int64_t>(batch.whole().data() + batch.size() - stamp_end);
      measured_.end_to_end.record(now - sent, static_cast<std::uint64_t>(fresh));
    }
  }

  const bench_options& o_;
  std::int16_t version_;
  std::vector<std::unique_ptr<bench_link>> links_;
  std::vector<lane> lanes_;
  kafka::fetch_request request_;
  bool stopped_ = false;
  measured measured_;
};

}  // namespace

result<std::unique_ptr<bench_load>> make_consume_load(const bench_options& o, bool from_end) {
  const auto to = parse_addresses(o.brokers);
  if (!to) return to.error();
  auto client = kafka_client::connect(*to);
  if (!client) return client.error();
  const std::int16_t version = (*client)->ranges().pick(kafka::api_key::fetch, 4, newest_by_name);
  if (version < 0) return fault(errc::unsupported, "the broker takes no Fetch request of version 4 to 12");
  auto load = std::make_unique<consume_load>(o, version);
  if (auto opened = load->open(**client, from_end); !opened) return opened.error();
  return std::unique_ptr<bench_load>(std::move(load));
}

}  // namespace weir::cli
