#include "server/config_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>

#include "base/nearest.h"
#include "server/config_text.h"
#include "server/logging.h"

namespace weir::server {

namespace {

// The builders take a function that finds the field, so one line of the table serves reading and writing it.
template<class Field>
using finder = std::function<Field&(server_config&)>;

template<class Field>
Field read(const finder<Field>& field, const server_config& c) {
  return field(const_cast<server_config&>(c));  // the finder only walks to the member
}

result<void> check_range(std::int64_t value, std::int64_t min, std::int64_t max, std::string (*print)(std::int64_t)) {
  if (value >= min && value <= max) return {};
  if (max == std::numeric_limits<std::int64_t>::max())
    return fault(errc::invalid, fmt::format("must be at least {}", print(min)));
  return fault(errc::invalid, fmt::format("must be between {} and {}", print(min), print(max)));
}

std::string print_plain(std::int64_t v) { return std::to_string(v); }

template<class Field>
config_key scaled(std::string name, std::string kind, std::string doc, finder<Field> field, std::int64_t min,
                  std::int64_t max, result<std::int64_t> (*parse)(std::string_view), std::string (*print)(std::int64_t),
                  bool bare) {
  config_key k;
  k.name = std::move(name);
  k.kind = std::move(kind);
  k.doc = std::move(doc);
  k.bare = bare;
  k.takes_numbers = true;
  k.set = [field, min, max, parse, print](server_config& c, const std::string& text) -> result<void> {
    const auto value = parse(text);
    if (!value) return value.error();
    if (auto ok = check_range(*value, min, max, print); !ok) return ok;
    field(c) = static_cast<Field>(*value);
    return {};
  };
  k.get = [field, print](const server_config& c) { return print(static_cast<std::int64_t>(read(field, c))); };
  return k;
}

constexpr std::int64_t no_max = std::numeric_limits<std::int64_t>::max();
// In nanoseconds it is still a number, and stays one when it is added to a time.
constexpr std::int64_t century_ms = 36'500LL * 86'400'000;

template<class Find>
config_key integer(std::string name, std::string doc, Find find, std::int64_t min, std::int64_t max) {
  using field = std::remove_reference_t<std::invoke_result_t<Find, server_config&>>;
  return scaled<field>(std::move(name), "number", std::move(doc), find, min, max, parse_integer, print_plain, true);
}
template<class Find>
config_key size(std::string name, std::string doc, Find find, std::int64_t min, std::int64_t max = no_max) {
  using field = std::remove_reference_t<std::invoke_result_t<Find, server_config&>>;
  return scaled<field>(std::move(name), "bytes", std::move(doc), find, min, max, parse_bytes, print_bytes, false);
}
template<class Find>
config_key duration(std::string name, std::string doc, Find find, std::int64_t min, std::int64_t max = century_ms) {
  using field = std::remove_reference_t<std::invoke_result_t<Find, server_config&>>;
  return scaled<field>(std::move(name), "duration", std::move(doc), find, min, max, parse_duration_ms,
                       print_duration_ms, false);
}

config_key boolean(std::string name, std::string doc, finder<bool> field) {
  config_key k{std::move(name), "true|false", std::move(doc), {}, {}, false, true, true};
  k.set = [field](server_config& c, const std::string& text) -> result<void> {
    const auto value = parse_bool(text);
    if (!value) return value.error();
    field(c) = *value;
    return {};
  };
  k.get = [field](const server_config& c) { return std::string(read(field, c) ? "true" : "false"); };
  return k;
}

config_key text(std::string name, std::string kind, std::string doc, finder<std::string> field) {
  config_key k{std::move(name), std::move(kind), std::move(doc), {}, {}, false, false};
  k.set = [field](server_config& c, const std::string& value) -> result<void> {
    field(c) = value;
    return {};
  };
  k.get = [field](const server_config& c) { return read(field, c); };
  return k;
}

template<class Value>
config_key choice(std::string name, std::string doc, std::vector<std::pair<std::string, Value>> values,
                  finder<Value> field) {
  std::vector<std::string> names;
  names.reserve(values.size());
  for (const auto& [n, v] : values) names.push_back(n);
  config_key k{std::move(name), fmt::format("{}", fmt::join(names, "|")), std::move(doc), {}, {}, false, false};
  k.set = [field, values, names](server_config& c, const std::string& value) -> result<void> {
    for (const auto& [n, v] : values) {
      if (n != value) continue;
      field(c) = v;
      return {};
    }
    return fault(errc::invalid, fmt::format("\"{}\" is not one of {}", value, fmt::join(names, ", ")));
  };
  k.get = [field, values](const server_config& c) {
    for (const auto& [n, v] : values) {
      if (v == read(field, c)) return n;
    }
    return std::string();
  };
  return k;
}

result<listener_config> parse_listener(const std::string& item) {
  const std::size_t equals = item.find('=');
  if (equals == std::string::npos)
    return fault(errc::invalid, fmt::format("\"{}\" names no protocol; write it like kafka=127.0.0.1:9092", item));
  listener_config l;
  l.protocol = item.substr(0, equals);
  if (l.protocol != "kafka")
    return fault(errc::invalid, fmt::format("\"{}\" is not a protocol that this server speaks (kafka)", l.protocol));
  auto address = parse_endpoint(std::string_view(item).substr(equals + 1));
  if (!address) return address.error();
  l.address = std::move(*address);
  return l;
}

config_key listeners_key() {
  config_key k{
      "listeners",
      "list of protocol=host:port",
      "Where clients connect. Port 0 picks a free one. Without a user data base only loopback clients are allowed in.",
      {},
      {},
      true,
      false};
  k.set = [](server_config& c, const std::string& value) -> result<void> {
    std::vector<listener_config> all;
    for (std::size_t at = 0; at <= value.size();) {
      const std::size_t comma = std::min(value.find(',', at), value.size());
      auto one = parse_listener(value.substr(at, comma - at));
      if (!one) return one.error();
      all.push_back(std::move(*one));
      at = comma + 1;
    }
    c.listeners = std::move(all);
    return {};
  };
  k.get = [](const server_config& c) {
    std::vector<std::string> all;
    for (const listener_config& l : c.listeners) all.push_back(l.protocol + "=" + print_endpoint(l.address));
    return fmt::format("{}", fmt::join(all, ","));
  };
  return k;
}

config_key advertised_key() {
  config_key k{
      "kafka.advertised",
      "host:port",
      "The address that Kafka clients are told. Empty: the one that the client dialled, which is right unless a proxy, "
      "NAT or a container's port mapping lies between.",
      {},
      {},
      false,
      false};
  k.set = [](server_config& c, const std::string& value) -> result<void> {
    c.kafka_advertised.reset();
    if (value.empty()) return {};
    auto e = parse_endpoint(value);
    if (!e) return e.error();
    if (e->host == "0.0.0.0" || e->host == "::") return fault(errc::invalid, "clients cannot connect to " + e->host);
    c.kafka_advertised = std::move(*e);
    return {};
  };
  k.get = [](const server_config& c) {
    return c.kafka_advertised ? print_endpoint(*c.kafka_advertised) : std::string();
  };
  return k;
}

void add_general(std::vector<config_key>& t) {
  t.push_back(text(
      "data_dir", "path", "Where everything is kept. Made when missing. One server per folder.",
      [](auto& c) -> auto& { return c.data_dir; }));
  t.push_back(listeners_key());
  t.push_back(boolean(
      "dev",
      "Settings for trying things out: replication factors above one are clamped to one, and every client may do "
      "everything.",
      [](auto& c) -> auto& { return c.dev; }));
  const std::vector<std::pair<std::string, std::string>> levels{
      {"error", "error"}, {"warn", "warn"}, {"info", "info"}, {"debug", "debug"}, {"trace", "trace"}};
  t.push_back(choice<std::string>(
      "log.level", "How much is logged to stderr.", levels, [](auto& c) -> auto& { return c.log_level; }));
  t.push_back(text(
      "log.levels", "subsystem=level, ...", "Other levels for single subsystems: server, storage, kafka.",
      [](auto& c) -> auto& { return c.log_levels; }));
  t.back().set = [](server_config& c, const std::string& value) -> result<void> {
    if (auto ok = check_log_levels(value); !ok) return ok;
    c.log_levels = value;
    return {};
  };
  t.push_back(choice<std::string>(
      "log.format", "One line of text or one JSON object per event.", {{"text", "text"}, {"json", "json"}},
      [](auto& c) -> auto& { return c.log_format; }));
  t.push_back(integer(
      "threads.reactors",
      "Threads that serve connections and shards, fixed when the data folder is made. 0: one up to four cores, else a "
      "core each, at most 8.",
      [](auto& c) -> auto& { return c.reactors; }, 0, 64));
  t.push_back(integer(
      "threads.spin_us",
      "Microseconds that an idle thread polls before it sleeps. Lowers latency where a core is to spare, costs CPU.",
      [](auto& c) -> auto& { return c.spin_us; }, 0, 50));
}

config_key cache_key() {
  config_key k = size(
      "storage.cache_bytes",
      "Memory of a reactor for recent data after it went to segments. auto: of the memory that is free a quarter, "
      "shared "
      "by all reactors, between 64 MiB and 4 GiB each.",
      [](auto& c) -> auto& { return c.store.cache_bytes_max; }, 0);
  k.kind = "auto|bytes";
  k.set = [fixed = k.set](server_config& c, const std::string& value) -> result<void> {
    if (value == "auto") {
      c.store.cache_bytes_max = storage::store_options{}.cache_bytes_max;
    } else if (auto ok = fixed(c, value); !ok) {
      return ok;
    }
    c.cache_auto = value == "auto";
    return {};
  };
  k.get = [fixed = k.get](const server_config& c) { return c.cache_auto ? "auto" : fixed(c); };
  return k;
}

void add_storage(std::vector<config_key>& t) {
  t.push_back(choice<platform::disk_mode>(
      "storage.disk",
      "direct: io_uring and O_DIRECT. buffered: threads and fdatasync. auto: direct where the machine can.",
      {{"auto", platform::disk_mode::automatic},
       {"direct", platform::disk_mode::direct},
       {"buffered", platform::disk_mode::buffered}},
      [](auto& c) -> auto& { return c.disk; }));
  t.push_back(integer(
      "storage.shards_per_reactor", "Shards of a new data folder, per reactor.",
      [](auto& c) -> auto& { return c.shards_per_reactor; }, 1, 256));
  t.push_back(size(
      "storage.wal_file_bytes", "Size of one write-ahead log file.",
      [](auto& c) -> auto& { return c.store.wal_file_bytes; }, 4 << 20, 4LL << 30));
  t.push_back(integer(
      "storage.wal_files_max", "Write-ahead log files per reactor before publishers wait for a checkpoint.",
      [](auto& c) -> auto& { return c.store.wal_files_max; }, 3, 1024));
  t.push_back(size(
      "storage.ring_bytes",
      "Memory for data that is not yet in segments. When it is full, publishing connections pause.",
      [](auto& c) -> auto& { return c.store.ring_bytes_max; }, 8 << 20));
  t.push_back(cache_key());
  t.push_back(size(
      "storage.read_bytes", "Memory for reads of older data that are being sent.",
      [](auto& c) -> auto& { return c.store.read_bytes_max; }, 4 << 20));
  t.push_back(size(
      "storage.index_bytes", "Memory for indexes of data files.",
      [](auto& c) -> auto& { return c.store.index_bytes_max; }, 1 << 20));
  t.push_back(size(
      "storage.checkpoint_bytes", "New data that starts a checkpoint.",
      [](auto& c) -> auto& { return c.store.checkpoint_bytes; }, 1 << 20));
  t.push_back(duration(
      "storage.checkpoint_interval", "The longest time between checkpoints while data arrives.",
      [](auto& c) -> auto& { return c.store.checkpoint_interval_ms; }, 1'000));
  t.push_back(duration(
      "storage.clean_interval", "How often retention and compaction look for work.",
      [](auto& c) -> auto& { return c.store.clean_interval_ms; }, 100));
  t.push_back(size(
      "storage.critical_free_bytes", "Below so much free disk, writes are refused; reads, commits and deletes go on.",
      [](auto& c) -> auto& { return c.store.critical_free_bytes; }, 1 << 20));
  t.push_back(size(
      "storage.resume_free_bytes", "Above so much free disk, writes are taken again.",
      [](auto& c) -> auto& { return c.store.resume_free_bytes; }, 1 << 20));
}

void add_kafka(std::vector<config_key>& t) {
  t.push_back(advertised_key());
  t.push_back(text(
      "kafka.rack", "name", "The rack that clients are told.", [](auto& c) -> auto& { return c.kafka_rack; }));
  t.push_back(integer(
      "kafka.node_id", "This node's id in answers to Kafka clients.", [](auto& c) -> auto& { return c.broker.node_id; },
      0, 1 << 30));
  t.push_back(boolean(
      "kafka.auto_create_topics", "A topic that a client asks for is created when it is missing.",
      [](auto& c) -> auto& { return c.broker.auto_create_topics; }));
  t.push_back(integer(
      "kafka.num_partitions", "Partitions of topics that are created without a number.",
      [](auto& c) -> auto& { return c.broker.num_partitions; }, 1, 100'000));
  t.push_back(integer(
      "kafka.default_replication_factor", "Replication factor of topics that are created without one.",
      [](auto& c) -> auto& { return c.broker.default_replication_factor; }, 1, 1));
  t.push_back(boolean(
      "kafka.clamp_replication_factor",
      "More replicas than there are nodes: take what there is instead of refusing. On with dev.",
      [](auto& c) -> auto& { return c.broker.clamp_replication_factor; }));
  t.push_back(boolean(
      "kafka.delete_topics", "Clients may delete topics.",
      [](auto& c) -> auto& { return c.broker.delete_topics_enabled; }));
  t.push_back(size(
      "kafka.message_max_bytes", "The largest record batch, where the topic says nothing else.",
      [](auto& c) -> auto& { return c.broker.message_max_bytes; }, 1024, 16 << 20));
  t.push_back(size(
      "kafka.fetch_max_bytes", "The most that one fetch answer carries.",
      [](auto& c) -> auto& { return c.broker.fetch_max_bytes; }, 1024, 1 << 30));
  t.push_back(integer(
      "kafka.requests_in_works", "Requests of one connection that may wait for their answers; then its input pauses.",
      [](auto& c) -> auto& { return c.kafka_requests_in_works; }, 1, 1 << 20));
  t.push_back(duration(
      "kafka.producer_id_expiration", "An idempotent producer that is silent for so long is forgotten.",
      [](auto& c) -> auto& { return c.broker.producer_id_expiration_ms; }, 1'000));
  t.push_back(choice<std::string>(
      "kafka.log_cleanup_policy", "What happens to old records, where the topic says nothing else.",
      {{"delete", "delete"}, {"compact", "compact"}, {"compact,delete", "compact,delete"}},
      [](auto& c) -> auto& { return c.broker.log.cleanup_policy; }));
  t.push_back(choice<std::string>(
      "kafka.compression_type", "How batches are compressed in the log, where the topic says nothing else.",
      {{"producer", "producer"},
       {"uncompressed", "uncompressed"},
       {"gzip", "gzip"},
       {"snappy", "snappy"},
       {"lz4", "lz4"},
       {"zstd", "zstd"}},
      [](auto& c) -> auto& { return c.broker.log.compression_type; }));
  t.push_back(choice<std::string>(
      "kafka.log_durability",
      "When a produce is answered, where the topic says nothing else: on disk, or from memory (async), where a crash "
      "may "
      "lose the last records.",
      {{"sync", "sync"}, {"replicated", "replicated"}, {"async", "async"}},
      [](auto& c) -> auto& { return c.broker.log.durability; }));
  t.push_back(duration(
      "kafka.log_retention", "How long records are kept, where the topic says nothing else.",
      [](auto& c) -> auto& { return c.broker.log.retention_ms; }, -1));
  t.push_back(size(
      "kafka.log_retention_bytes", "How much of a partition is kept, where the topic says nothing else.",
      [](auto& c) -> auto& { return c.broker.log.retention_bytes; }, -1));
  t.push_back(size(
      "kafka.log_segment_bytes", "Size of a segment: retention goes by whole segments.",
      [](auto& c) -> auto& { return c.broker.log.segment_bytes; }, 1 << 20, std::numeric_limits<std::int32_t>::max()));
  t.push_back(duration(
      "kafka.log_segment_age", "Age at which a segment is closed.",
      [](auto& c) -> auto& { return c.broker.log.segment_ms; }, 1'000));
}

void add_groups(std::vector<config_key>& t) {
  t.push_back(duration(
      "group.initial_rebalance_delay", "How long a new consumer group waits for more members.",
      [](auto& c) -> auto& { return c.broker.groups.initial_rebalance_delay_ms; }, 0, 3'600'000));
  t.push_back(duration(
      "group.session_timeout_min", "The shortest session timeout that a member may ask for.",
      [](auto& c) -> auto& { return c.broker.groups.session_timeout_min_ms; }, 1, 3'600'000));
  t.push_back(duration(
      "group.session_timeout_max", "The longest session timeout that a member may ask for.",
      [](auto& c) -> auto& { return c.broker.groups.session_timeout_max_ms; }, 1, 86'400'000));
  t.push_back(integer(
      "group.members_max", "Members of one group.", [](auto& c) -> auto& { return c.broker.groups.members_max; }, 1,
      1'000'000));
  t.push_back(integer(
      "group.groups_max", "Groups of one reactor.", [](auto& c) -> auto& { return c.broker.groups.groups_max; }, 1,
      10'000'000));
  t.push_back(size(
      "group.stored_bytes_max",
      "Memory of one reactor for groups and committed offsets. Past it new ones are refused; offsets that are there "
      "move on.",
      [](auto& c) -> auto& { return c.broker.groups.stored_bytes_max; }, 1 << 20));
  t.push_back(duration(
      "group.offset_retention", "How long committed offsets outlive their use.",
      [](auto& c) -> auto& { return c.broker.groups.offset_retention_ms; }, -1));
}

void add_limits(std::vector<config_key>& t) {
  t.push_back(integer(
      "limits.connections",
      "Client connections of this server. Lowered to what the system's limit of open files allows.",
      [](auto& c) -> auto& { return c.limits.connections; }, 1, 10'000'000));
  t.push_back(integer(
      "limits.connections_per_address", "Client connections from one address; 0: no limit.",
      [](auto& c) -> auto& { return c.limits.connections_per_address; }, 0, 10'000'000));
  t.push_back(size(
      "limits.request_bytes", "The largest request.", [](auto& c) -> auto& { return c.limits.request_bytes; }, 64 << 10,
      1 << 30));
  t.push_back(size(
      "limits.receive_bytes",
      "Memory for requests that are arriving, per reactor. When it is used up, further connections are not read until "
      "others' requests are through; a quarter is for requests of at most 256 KiB.",
      [](auto& c) -> auto& { return c.limits.receive_bytes; }, 1 << 20));
  t.push_back(duration(
      "limits.idle", "A connection without traffic and without a request in the works is closed after so long.",
      [](auto& c) -> auto& { return c.limits.idle_ms; }, 1'000));
  t.push_back(duration(
      "limits.first_frame", "A new connection must send its first whole request within this time.",
      [](auto& c) -> auto& { return c.limits.first_frame_ms; }, 1'000));
  t.push_back(duration(
      "limits.frame_progress",
      "An unfinished request must bring limits.frame_progress_bytes within this time, or its end.",
      [](auto& c) -> auto& { return c.limits.frame_progress_ms; }, 1'000));
  t.push_back(size(
      "limits.frame_progress_bytes", "See limits.frame_progress.",
      [](auto& c) -> auto& { return c.limits.frame_progress_bytes; }, 1, 1 << 20));
  t.push_back(duration(
      "limits.write_stall", "A client that takes nothing of its answers for so long is closed.",
      [](auto& c) -> auto& { return c.limits.write_stall_ms; }, 1'000));
  t.push_back(size(
      "limits.slow_receiver_copy_bytes",
      "A client that stalls for a second gets a copy of at most so much that it is owed, so that it holds no shared "
      "memory; one that is owed more is closed after a sixth of limits.write_stall.",
      [](auto& c) -> auto& { return c.limits.slow_receiver_copy_bytes; }, 0, 64 << 20));
  t.push_back(size(
      "limits.waiting_produce_bytes", "Produce requests that wait for room in the store, per reactor.",
      [](auto& c) -> auto& { return c.broker.limits.waiting_produce_bytes; }, 1 << 20));
  t.push_back(size(
      "limits.forwarded_bytes",
      "Commands on their way to other reactors, per reactor. Past it publishing connections pause.",
      [](auto& c) -> auto& { return c.broker.limits.forwarded_bytes; }, 1 << 20));
  t.push_back(integer(
      "limits.partitions", "Partitions of this node.", [](auto& c) -> auto& { return c.broker.limits.partitions; }, 1,
      10'000'000));
  t.push_back(integer(
      "limits.producers_per_partition",
      "Idempotent producers remembered per partition; the longest idle are forgotten.",
      [](auto& c) -> auto& { return c.broker.limits.producers_per_partition; }, 1, 1'000'000));
}

std::vector<config_key> make_table() {
  std::vector<config_key> t;
  add_general(t);
  add_storage(t);
  add_kafka(t);
  add_groups(t);
  add_limits(t);
  return t;
}

std::string in_file(const config_key& k, const server_config& defaults) {
  std::string value = k.get(defaults);
  if (k.bare) return value;
  return k.is_list ? "[\"" + value + "\"]" : "\"" + value + "\"";
}

// Breaks `text` into comment lines of at most 110 columns.
std::string comment(const std::string& text) {
  std::string out;
  std::string line = "#";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, space - at);
    if (line.size() + word.size() + 1 > 110) {
      out += line + "\n";
      line = "#";
    }
    line += " " + word;
    at = space + 1;
  }
  return out + line + "\n";
}

}  // namespace

const std::vector<config_key>& config_keys() {
  static const std::vector<config_key> table = make_table();
  return table;
}

const config_key* find_key(const std::string& name) {
  static const std::map<std::string, const config_key*> index = [] {
    std::map<std::string, const config_key*> m;
    for (const config_key& k : config_keys()) m[k.name] = &k;
    return m;
  }();
  const auto it = index.find(name);
  return it == index.end() ? nullptr : it->second;
}

std::string unknown_key(const std::string& what, const std::string& name) {
  std::vector<std::string> names;
  for (const config_key& k : config_keys()) names.push_back(k.name);
  const auto near = nearest(name, names);
  return fmt::format("{}: unknown key {}{}", what, name, near ? "; did you mean " + *near + "?" : std::string());
}

std::string environment_name(const config_key& key) {
  std::string out = "WEIR_";
  for (const char c : key.name) out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

result<void> validate(const server_config& c) {
  if (c.listeners.empty()) return fault(errc::invalid, "listeners: at least one is needed");
  if (c.data_dir.empty()) return fault(errc::invalid, "data_dir: must not be empty");
  if (c.store.critical_free_bytes <= c.store.ring_bytes_max) {
    return fault(errc::invalid,
                 "storage.critical_free_bytes must be more than storage.ring_bytes, so that what is in memory can "
                 "still be written");
  }
  if (c.store.resume_free_bytes < c.store.critical_free_bytes) {
    return fault(errc::invalid, "storage.resume_free_bytes must not be below storage.critical_free_bytes");
  }
  if (c.limits.request_bytes < c.broker.message_max_bytes) {
    return fault(errc::invalid, "limits.request_bytes must not be below kafka.message_max_bytes");
  }
  if (c.broker.groups.session_timeout_min_ms > c.broker.groups.session_timeout_max_ms) {
    return fault(errc::invalid, "group.session_timeout_min must not be above group.session_timeout_max");
  }
  return {};
}

std::string example_file() {
  const server_config defaults;
  std::string out =
      "# Weir's configuration: every key with its default. Files in conf.d/*.toml beside this one overlay it in the "
      "order\n"
      "# of their names; environment variables (WEIR_SECTION_KEY) overlay those, flags (--section.key=value) overlay "
      "all.\n"
      "# `weir server --check-config --config FILE` says whether a file is right.\n";
  std::string section;
  for (const config_key& k : config_keys()) {
    const std::size_t dot = k.name.find('.');
    const std::string of = dot == std::string::npos ? "" : k.name.substr(0, dot);
    if (of != section) out += "\n[" + of + "]\n";
    section = of;
    const std::string name = dot == std::string::npos ? k.name : k.name.substr(dot + 1);
    out += "\n" + comment(k.doc + " (" + k.kind + ")") + "#" + name + " = " + in_file(k, defaults) + "\n";
  }
  return out;
}

std::string markdown_table() {
  const server_config defaults;
  std::string out = "| key | kind | default | what it does |\n|---|---|---|---|\n";
  for (const config_key& k : config_keys()) {
    std::string kind = k.kind;
    for (std::size_t at = 0; (at = kind.find('|', at)) != std::string::npos; at += 2) kind.replace(at, 1, "\\|");
    const std::string value = k.get(defaults);
    out += fmt::format("| `{}` | {} | {} | {} |\n", k.name, kind, value.empty() ? "" : "`" + value + "`", k.doc);
  }
  return out;
}

}  // namespace weir::server
