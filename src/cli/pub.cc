// weir pub: records from the command line, standard input or files into a topic.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>

#include "cli/client_commands.h"
#include "cli/pub_partition.h"
#include "protocol/kafka/records.h"

namespace weir::cli {
namespace {

constexpr std::int16_t newest_by_name = 12;  // Produce; version 13 names topics by id
constexpr std::size_t batch_bytes = std::size_t{256} << 10;
constexpr std::int32_t batch_records = 1'000;
constexpr std::int32_t patience_ms = 30'000;

struct pub_flags {
  std::string brokers;
  std::string topic;
  std::vector<std::string> texts;
  std::vector<std::string> files;
  std::optional<std::string> key;
  std::string key_separator;
  std::vector<std::string> headers;
  std::optional<std::int32_t> partition;
  kafka::compression codec = kafka::compression::none;
  std::int32_t acks = -1;
  std::int64_t timestamp_ms = -1;
  bool quiet = false;
};

class publisher {
 public:
  publisher(const pub_flags& f, kafka_client& client, std::int32_t partitions)
      : f_(f), client_(client), partitions_(partitions) {}

  result<void> set_headers() {
    for (const std::string& h : f_.headers) {
      const std::size_t equals = h.find('=');
      if (equals == std::string::npos || equals == 0)
        return fault(errc::invalid, "\"" + h + "\": a header is written as name=value");
      const std::string_view all = h;
      headers_.push_back({all.substr(0, equals), as_bytes(all.substr(equals + 1))});
    }
    return {};
  }

  // A line of input: with a key separator, "KEY<separator>VALUE".
  result<void> add_line(std::string_view line) {
    const std::size_t at = f_.key_separator.empty() ? std::string_view::npos : line.find(f_.key_separator);
    if (at == std::string_view::npos) return add(f_.key, line);
    return add(std::string(line.substr(0, at)), line.substr(at + f_.key_separator.size()));
  }

  result<void> add(const std::optional<std::string>& key, std::string_view value) {
    const std::int32_t p = f_.partition ? *f_.partition : key ? partition_of_key(as_bytes(*key), partitions_) : next_;
    auto& batch = batches_.try_emplace(p, kafka::batch_options{.codec = f_.codec}).first->second;
    std::optional<bytes> key_bytes;
    if (key) key_bytes = as_bytes(*key);
    batch.add(f_.timestamp_ms >= 0 ? f_.timestamp_ms : wall_clock_ms(), key_bytes, as_bytes(value), headers_);
    if (batch.size() < batch_bytes && batch.count() < batch_records) return {};
    return flush();
  }

  result<void> flush() {
    kafka::produce_request r;
    r.acks = static_cast<std::int16_t>(f_.acks);
    r.timeout_ms = patience_ms;
    auto& topic = r.topics.emplace_back();
    topic.name = f_.topic;
    std::vector<byte_vector> kept;
    std::int64_t in_request = 0;
    for (auto& [partition, batch] : batches_) {
      if (batch.count() == 0) continue;
      in_request += batch.count();
      auto built = batch.finish();
      if (!built) return built.error();
      kept.push_back(std::move(*built));
      topic.partitions.emplace_back().index = partition;
    }
    for (std::size_t i = 0; i < kept.size(); ++i) topic.partitions[i].records.data = kept[i];
    next_ = (next_ + 1) % partitions_;  // records without a key change partition with each request
    if (kept.empty()) return {};
    return send(r, in_request);
  }

  [[nodiscard]] std::int64_t sent() const { return sent_; }

 private:
  result<void> send(const kafka::produce_request& r, std::int64_t count) {
    const auto a = client_.call<kafka::produce_response>(r, newest_by_name, patience_ms);
    if (!a) return a.error();
    for (const auto& t : a->message.topics)
      for (const auto& p : t.partitions)
        if (p.error_code != kafka::error_code::none)
          return fault(errc::invalid, fmt::format("{} partition {}: {}", f_.topic, p.index,
                                                  explain(p.error_code, p.error_message.value_or(""))));
    sent_ += count;
    return {};
  }

  const pub_flags& f_;
  kafka_client& client_;
  std::int32_t partitions_;
  std::int32_t next_ = 0;
  std::vector<kafka::record_header> headers_;
  std::map<std::int32_t, kafka::batch_builder> batches_;
  std::int64_t sent_ = 0;
};

// Makes sure of the topic: by asking with auto-creation, as a producer does.
result<std::int32_t> reach_topic(kafka_client& client, const std::string& topic) {
  kafka::metadata_request ask;
  ask.topics.emplace().push_back({.topic_id = {}, .name = topic});
  const auto a = client.call<kafka::metadata_response>(ask);
  if (!a) return a.error();
  const std::int64_t until = steady_ms() + 5'000;
  for (;;) {
    auto n = partitions_of(client, topic);
    if ((n && *n > 0) || steady_ms() > until) return n;
    // It may be in the making for a moment; what is not there and not in the making stays an error.
    if (!n && a->message.topics.front().error_code != kafka::error_code::leader_not_available) return n;
  }
}

result<void> publish_stream(publisher& p, std::istream& in) {
  std::string line;
  while (std::getline(in, line))
    if (auto added = p.add_line(line); !added) return added;
  return {};
}

result<void> publish_all(const pub_flags& f, publisher& p) {
  for (const std::string& text : f.texts)
    if (auto added = p.add_line(text); !added) return added;
  for (const std::string& name : f.files) {
    std::ifstream in(name, std::ios::binary);
    if (!in) return fault(errc::not_found, "cannot read the file " + name);
    std::ostringstream whole;
    whole << in.rdbuf();
    if (auto added = p.add(f.key, whole.str()); !added) return added;
  }
  if (f.texts.empty() && f.files.empty())
    if (auto added = publish_stream(p, std::cin); !added) return added;
  return p.flush();
}

int run_pub(const pub_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  const auto partitions = reach_topic(**client, f.topic);
  if (!partitions) return complain(partitions.error());
  publisher p(f, **client, *partitions);
  if (auto set = p.set_headers(); !set) return complain(set.error().text, 2);
  const auto done = publish_all(f, p);
  if (!f.quiet || !done) fmt::print(stderr, "{} records published to {}\n", p.sent(), f.topic);
  return done ? 0 : complain(done.error());
}

}  // namespace

void add_pub_command(CLI::App& app, run_state& run) {
  auto f = std::make_shared<pub_flags>();
  CLI::App& c = *app.add_subcommand("pub", "publish records: from the command line, files, or lines of standard input");
  add_brokers_flag(c, f->brokers);
  c.add_option("topic", f->topic, "the topic")->required();
  c.add_option("text", f->texts, "records; without any (and without --file) each line of standard input is one");
  c.add_option("-f,--file", f->files, "a file that is one record; may be given several times")->type_name("FILE");
  c.add_option("-k,--key", f->key, "the key of all records")->type_name("KEY");
  c.add_option("--key-separator", f->key_separator, "lines are KEY<separator>VALUE")->type_name("TEXT");
  c.add_option("-H,--header", f->headers, "a header; may be given several times")->type_name("NAME=VALUE");
  c.add_option("-p,--partition", f->partition, "the partition (by the key otherwise)");
  c.add_option("--timestamp", f->timestamp_ms, "milliseconds since 1970 (now otherwise)");
  c.add_option("-z,--compression", f->codec, "none, gzip, snappy, lz4 or zstd")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, kafka::compression>{{"none", kafka::compression::none},
                                                                            {"gzip", kafka::compression::gzip},
                                                                            {"snappy", kafka::compression::snappy},
                                                                            {"lz4", kafka::compression::lz4},
                                                                            {"zstd", kafka::compression::zstd}})
              .description(""))
      ->type_name("CODEC");
  c.add_option("--acks", f->acks, "-1 (all) or 1")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, int>{{"all", -1}, {"-1", -1}, {"1", 1}}).description(""))
      ->type_name("all|1");
  c.add_flag("-q,--quiet", f->quiet, "do not say how many");
  c.callback([&run, f] { run.action = [f] { return run_pub(*f); }; });
}

}  // namespace weir::cli
