// weir sub|tail|peek: three ways to read a topic.
//   sub   goes on from the earliest record, the end, a time, or where a group has committed, and waits for more
//   tail  the last records, and with -f those that come
//   peek  some records, with all that is around them; it ends, and never commits anything
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>

#include "cli/client_commands.h"
#include "cli/group_offsets.h"
#include "cli/sub_print.h"
#include "cli/sub_reader.h"
#include "cli/topic_offsets.h"

namespace weir::cli {
namespace {

constexpr std::int32_t wait_ms = 500;

struct read_flags {
  std::string brokers;
  output_format form = output_format::table;
  std::string topic;
  std::vector<std::int32_t> partitions;
  std::string from = "latest";  // earliest, latest, an offset, or a time
  bool from_given = false;
  std::string group;
  std::int64_t count = -1;  // stop after so many; -1: never
  bool verbose = false;
  bool to_end = false;
  bool follow = false;
};

result<std::vector<std::int32_t>> chosen_partitions(kafka_client& client, const read_flags& f) {
  const auto n = partitions_of(client, f.topic);
  if (!n) return n.error();
  if (f.partitions.empty()) return all_partitions(*n);
  for (const std::int32_t p : f.partitions)
    if (p < 0 || p >= *n) return fault(errc::not_found, f.topic + " has the partitions 0 to " + std::to_string(*n - 1));
  return f.partitions;
}

using offsets = std::map<std::int32_t, listed_offset>;

// Where `from` is in each partition.
result<offsets> places(kafka_client& client, const read_flags& f, const std::vector<std::int32_t>& partitions) {
  auto first = list_offsets(client, f.topic, partitions, earliest_offset);
  if (!first || f.from == "earliest") return first;
  auto last = list_offsets(client, f.topic, partitions, latest_offset);
  if (!last || f.from == "latest") return last;
  const bool is_offset = !f.from.empty() && f.from.size() <= 18 &&
                         std::ranges::all_of(f.from, [](char c) { return c >= '0' && c <= '9'; });
  offsets out;
  if (is_offset) {
    for (const std::int32_t p : partitions)
      out[p].offset = std::clamp<std::int64_t>(std::stoll(f.from), first->at(p).offset, last->at(p).offset);
    return out;
  }
  const std::string_view time = std::string_view(f.from).starts_with("@") ? std::string_view(f.from).substr(1) : f.from;
  const auto ms = parse_time(time, wall_clock_ms());
  if (!ms) return fault(errc::invalid, "--from takes earliest, latest, an offset, or a time: " + ms.error().text);
  auto found = list_offsets(client, f.topic, partitions, *ms);
  if (!found) return found.error();
  for (auto& [p, o] : *found)
    if (o.offset < 0) o.offset = last->at(p).offset;
  return *found;
}

// Committed places win over `from`, as long as the partition still has them. One that is below its start (its records were
// deleted) or behind its end (the topic was made anew) goes on where `from` says, if it was given; else at the nearest.
result<void> go_on_from_group(kafka_client& client, const read_flags& f, offsets& at) {
  const auto commits = committed_offsets(client, f.group);
  if (!commits) return commits.error();
  const auto topic = commits->find(f.topic);
  if (topic == commits->end()) return {};
  std::vector<std::int32_t> partitions;
  for (const auto& [p, o] : at) partitions.push_back(p);
  const auto first = list_offsets(client, f.topic, partitions, earliest_offset);
  const auto last = list_offsets(client, f.topic, partitions, latest_offset);
  if (!first || !last) return first ? last.error() : first.error();
  for (const auto& [p, c] : topic->second) {
    if (!at.contains(p)) continue;
    const std::int64_t nearest = std::clamp(c.offset, first->at(p).offset, last->at(p).offset);
    if (nearest == c.offset || !f.from_given) at[p].offset = nearest;
    if (nearest == c.offset) continue;
    std::cerr << fmt::format("weir: group {} committed {} in {} partition {}, which has {} to {}: goes on at {}\n",
                             f.group, c.offset, f.topic, p, first->at(p).offset, last->at(p).offset, at[p].offset);
  }
  return {};
}

result<void> commit_positions(kafka_client& client, const read_flags& f, const log_reader& reader) {
  if (f.group.empty()) return {};
  group_offsets wanted;
  for (const auto& [p, offset] : reader.positions()) wanted[f.topic][p].offset = offset;
  const auto failed = commit_offsets(client, f.group, wanted);
  if (!failed) return failed.error();
  if (!failed->empty())
    return fault(errc::invalid, "cannot commit for group " + f.group + ": " + failed->begin()->second);
  return {};
}

[[nodiscard]] bool reached(const log_reader& reader, const offsets& ends) {
  return std::ranges::all_of(ends, [&](const auto& e) { return reader.positions().at(e.first) >= e.second.offset; });
}

result<void> read_on(kafka_client& client, const read_flags& f, log_reader& reader, const offsets& ends) {
  std::int64_t left = f.count;
  const bool bounded = f.to_end;
  while (left != 0 && !(bounded && reached(reader, ends))) {
    bool any = false;
    const auto more = reader.poll(wait_ms, [&](std::int32_t partition, const kafka::record& r) {
      if (bounded && r.offset >= ends.at(partition).offset) return true;
      print_record(std::cout, f.form, f.verbose, f.topic, partition, r);
      any = true;
      return left < 0 || --left != 0;
    });
    if (!more) return more.error();
    std::cout.flush();
    if (!std::cout) return {};  // whoever reads us has gone
    if (!any) continue;
    if (auto done = commit_positions(client, f, reader); !done) return done;
  }
  return {};
}

int run_read(const read_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  const auto partitions = chosen_partitions(**client, f);
  if (!partitions) return complain(partitions.error());
  auto at = places(**client, f, *partitions);
  if (!at) return complain(at.error());
  if (!f.group.empty())
    if (auto found = go_on_from_group(**client, f, *at); !found) return complain(found.error());
  const auto ends = list_offsets(**client, f.topic, *partitions, latest_offset);
  if (!ends) return complain(ends.error());
  log_reader reader(**client, f.topic);
  if (!f.group.empty()) {
    reader.on_gap([&f](std::int32_t p, std::int64_t from, std::int64_t to) {
      std::cerr << fmt::format("weir: {} partition {} has no offset {} any more: goes on at {}\n", f.topic, p, from,
                               to);
    });
  }
  for (const auto& [p, o] : *at) reader.seek(p, o.offset);
  const auto done = read_on(**client, f, reader, *ends);
  return done ? 0 : complain(done.error());
}

// The last records of all partitions together, by time: each partition gives its last ones, the newest of all are shown.
int run_tail(read_flags f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  const auto partitions = chosen_partitions(**client, f);
  if (!partitions) return complain(partitions.error());
  const auto first = list_offsets(**client, f.topic, *partitions, earliest_offset);
  const auto last = list_offsets(**client, f.topic, *partitions, latest_offset);
  if (!first || !last) return complain(first ? last.error() : first.error());
  log_reader reader(**client, f.topic);
  for (const std::int32_t p : *partitions)
    reader.seek(p, std::max(first->at(p).offset, last->at(p).offset - std::max<std::int64_t>(f.count, 0)));
  std::multimap<std::int64_t, std::string> newest;  // time -> as printed
  while (f.count > 0 && !reached(reader, *last)) {
    const auto more = reader.poll(wait_ms, [&](std::int32_t partition, const kafka::record& r) {
      if (r.offset >= last->at(partition).offset) return true;
      std::ostringstream text;
      print_record(text, f.form, f.verbose, f.topic, partition, r);
      newest.emplace(r.timestamp, text.str());
      if (newest.size() > static_cast<std::size_t>(f.count)) newest.erase(newest.begin());
      return true;
    });
    if (!more) return complain(more.error());
  }
  for (const auto& [time, text] : newest) std::cout << text;
  std::cout.flush();
  if (!f.follow) return 0;
  for (const auto& [p, o] : *last) reader.seek(p, o.offset);
  f.count = -1;
  const auto done = read_on(**client, f, reader, *last);
  return done ? 0 : complain(done.error());
}

std::shared_ptr<read_flags> add_common(CLI::App& c) {
  auto f = std::make_shared<read_flags>();
  add_brokers_flag(c, f->brokers);
  add_output_flag(c, f->form);
  c.add_option("topic", f->topic, "the topic")->required();
  c.add_option("-p,--partition", f->partitions, "only this partition; may be given several times");
  return f;
}

}  // namespace

void add_read_commands(CLI::App& app, run_state& run) {
  CLI::App& sub = *app.add_subcommand("sub", "print the records of a topic and wait for more");
  auto f = add_common(sub);
  sub.add_option("--from", f->from, "earliest, latest, an offset, or a time (2026-11-20T13:00Z, 15m, @MILLISECONDS)")
      ->capture_default_str();
  sub.add_option("-g,--group", f->group,
                 "go on where this group has committed, and commit what was printed; the group "
                 "must have no members");
  sub.add_option("-n,--count", f->count, "stop after so many records");
  sub.add_flag("-e,--exit", f->to_end, "stop at the end that the partitions have now");
  sub.add_flag("-v,--verbose", f->verbose, "place, time, key and headers, too");
  sub.callback([&run, &sub, f] {
    f->from_given = sub.count("--from") > 0;
    run.action = [f] { return run_read(*f); };
  });

  CLI::App& tail = *app.add_subcommand("tail", "print the last records of a topic");
  auto t = add_common(tail);
  t->count = 10;
  tail.add_option("-n,--count", t->count, "how many")->check(CLI::NonNegativeNumber)->capture_default_str();
  tail.add_flag("-f,--follow", t->follow, "wait for more");
  tail.add_flag("-v,--verbose", t->verbose, "place, time, key and headers, too");
  tail.callback([&run, t] { run.action = [t] { return run_tail(*t); }; });

  CLI::App& peek = *app.add_subcommand("peek", "look at some records; changes nothing, commits nothing");
  auto p = add_common(peek);
  p->from = "earliest";
  p->count = 1;
  p->verbose = true;
  p->to_end = true;
  peek.add_option("--from", p->from, "earliest, latest, an offset, or a time")->capture_default_str();
  peek.add_option("-n,--count", p->count, "how many")->check(CLI::PositiveNumber)->capture_default_str();
  peek.callback([&run, p] { run.action = [p] { return run_read(*p); }; });
}

}  // namespace weir::cli
