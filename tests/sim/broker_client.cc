#include "tests/sim/broker_client.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/kafka/record_batch.h"
#include "protocol/kafka/records.h"

namespace weir::sim_tests {

using model::refusal;

namespace {

const std::string settings_group = "broker configuration";
// One for each client: two that are kept only, one that changes every topic.
constexpr std::array<std::string_view, 3> setting_names{"background.threads", "log.cleaner.delete.retention.ms",
                                                        "num.io.threads"};

constexpr std::size_t window = 5;  // batches of one producer and partition that may be under way

std::string text(const partition_name& p) { return p.first + "-" + std::to_string(p.second); }

}  // namespace

broker_client::broker_client(std::size_t index, platform::sim::sim_world& world, broker_truth& known, counters& counts,
                             fail_fn fail)
    : index_(index),
      world_(world),
      known_(known),
      counts_(counts),
      fail_(std::move(fail)),
      random_(world.random().next()),
      group_("group-" + std::to_string(index)) {
  who_.principal = "loopback";
  who_.loopback = true;
  setting_.first = setting_names[index % setting_names.size()];
}

void broker_client::connect(model::broker_port& port, platform::sim::sim_executor& reactor) {
  port_ = &port;
  reactor_ = &reactor;
  session_ = port.attach(*this, who_);
  send_lost_again();
}

void broker_client::disconnect() {
  port_ = nullptr;
  for (const auto& [t, a] : asked_) {
    if (const auto* level = std::get_if<asked_level>(&a)) known_.levels[level->topic].asked = false;
  }
  asked_.clear();
  committing_ = false;
  setting_asked_ = false;
  for (auto& [where, l] : lanes_) {
    l.sent = l.outstanding = 0;
    l.again = false;
  }
}

template<class Command>
void broker_client::submit(Command&& c, asked what) {
  const std::uint64_t t = next_token_++;
  asked_.emplace(t, std::move(what));
  port_->submit(session_, model::token(t), model::command(std::forward<Command>(c)));
}

const partition_name* broker_client::any_partition() {
  names_.clear();
  for (const auto& [name, partitions] : known_.topics) {
    for (std::int32_t i = 0; i < partitions; ++i) names_.emplace_back(name, i);
  }
  return names_.empty() ? nullptr : &names_[random_.below(names_.size())];
}

bool broker_client::idle() const {
  return asked_.empty() &&
         std::all_of(lanes_.begin(), lanes_.end(), [](const auto& l) { return l.second.batches.empty(); });
}

void broker_client::act() {
  if (port_ == nullptr) return;
  const std::uint64_t draw = random_.below(100);
  if (known_.topics.empty() || draw < 3) return create_topic();
  if (draw < 55) return produce_some();
  if (draw < 80) return fetch_some();
  if (draw < 92) return commit_some();
  if (draw < 94) return set_broker();
  if (draw < 97) return levels != nullptr && levels->chance(0.5) ? change_level() : ask_offsets();
  trim_some();
}

void broker_client::finish() {
  if (port_ == nullptr) return;
  if (producer_id_ < 0 && !lanes_.empty()) return get_id();
  for (auto& [where, l] : lanes_) {
    if (!l.batches.empty()) pump(where);
  }
}

// ---- Producing ----------------------------------------------------------------------------------------------------

void broker_client::get_id() {
  for (const auto& [t, a] : asked_) {
    if (std::holds_alternative<asked_id>(a)) return;
  }
  submit(model::init_producer{}, asked_id{});
}

void broker_client::take(const asked_id&, const model::producer_ready& e) {
  if (e.error != refusal::none) return refused("init_producer", e.error);
  if (!known_.producer_ids.insert(e.producer_id).second)
    fail_("producer id " + std::to_string(e.producer_id) + " given twice");
  producer_id_ = e.producer_id;
}

broker_client::batch broker_client::make_batch(const partition_name& where, lane& l) {
  kafka::batch_options o;
  o.producer_id = producer_id_;
  o.producer_epoch = 0;
  o.base_sequence = l.next_sequence;
  kafka::batch_builder builder(o);
  batch b;
  b.first_sequence = l.next_sequence;
  const std::uint64_t n = random_.between(1, 4);
  for (std::uint64_t i = 0; i < n; ++i) {
    const record_id id = known_.send({index_, where, l.next_sequence++});
    b.records.push_back(id);
    byte_vector value(8 + random_.below(random_.chance(0.1) ? 2000 : 100));
    store_le(value.data(), id);
    builder.add(world_.time().wall().raw(), std::nullopt, bytes(value));
  }
  auto made = builder.finish();
  if (!made)
    fail_("a batch cannot be built");
  else
    b.bytes = std::move(*made);
  return b;
}

void broker_client::produce_some() {
  if (producer_id_ < 0) return get_id();
  const partition_name* where = any_partition();
  if (where == nullptr) return;
  lane& l = lanes_[*where];
  for (std::uint64_t n = random_.between(1, 3); n > 0 && l.batches.size() < window; --n)
    l.batches.push_back(make_batch(*where, l));
  pump(*where);
}

// What a crash took of an async topic goes out anew, before what follows: the broker knows the producer as far as its
// records go, so this is no gap and no double to it.
void broker_client::send_lost_again() {
  const auto lost = [this](const batch& b) { return known_.lost.contains(b.records.front()); };
  for (auto& [where, l] : lanes_) {
    bool any = false;
    for (batch& b : l.batches) {
      if (!b.acked || !lost(b)) continue;
      b.acked = false;
      any = true;
    }
    while (!l.kept.empty() && lost(l.kept.back())) {
      l.batches.push_front(std::move(l.kept.back()));
      l.batches.front().acked = false;
      l.kept.pop_back();
      any = true;
      ++counts_["async_lost"];
    }
    if (any) l.begun = false;
  }
}

void broker_client::pump(const partition_name& where) {
  lane& l = lanes_[where];
  if (l.again) {
    if (l.outstanding > 0) return;
    l.again = false;
    l.sent = 0;
  }
  // A broker takes any first sequence of a producer that it does not know (KIP-360), so until the first batch is
  // acknowledged the second does not follow: else a refusal of the first alone would turn their order.
  while (l.sent < l.batches.size() && !l.again && l.outstanding < window && (l.begun || l.outstanding == 0)) {
    const batch& b = l.batches[l.sent++];
    if (b.acked) continue;
    ++l.outstanding;
    if (world_.tracing()) {
      world_.trace("client " + std::to_string(index_) + " produces to " + text(where) + " sequence " +
                   std::to_string(b.first_sequence) + "+" + std::to_string(b.records.size()));
    }
    model::produce p;
    p.items.push_back({{where.first, {}}, where.second, model::format_tag::kafka_batch_v2, b.bytes});
    p.timeout_ms = 1000;
    submit(p, asked_produce{where, b.first_sequence});
  }
}

void broker_client::take(const asked_produce& a, const model::produced& e) {
  lane& l = lanes_[a.where];
  --l.outstanding;
  const auto& item = e.items.at(0);
  if (world_.tracing()) {
    world_.trace("client " + std::to_string(index_) + " hears of " + text(a.where) + " sequence " +
                 std::to_string(a.first_sequence) + ": " + std::to_string(static_cast<int>(item.error)) + " at " +
                 std::to_string(item.base.raw()));
  }
  const auto b = std::find_if(l.batches.begin(), l.batches.end(),
                              [&](const batch& x) { return x.first_sequence == a.first_sequence; });
  if (b == l.batches.end()) return fail_("an answer to a batch that was acknowledged already");
  if (item.error != refusal::none) {
    const bool order = item.error == refusal::out_of_order_sequence;
    if (!order || !l.again) {
      // The first of a window has nobody in front of it that could have been refused.
      if (order && b == l.batches.begin()) fail_(text(a.where) + ": out of order, though nothing before it is missing");
      refused("produce", order ? refusal::busy : item.error);
    }
    l.again = true;
    return;
  }
  b->acked = true;
  l.begun = true;
  ++counts_["produced"];
  for (std::size_t i = 0; i < b->records.size(); ++i) {
    known_.show(a.where, item.base.raw() + static_cast<std::int64_t>(i), b->records[i]);
  }
  while (!l.batches.empty() && l.batches.front().acked) {
    if (levels != nullptr) l.kept.push_back(std::move(l.batches.front()));
    l.batches.pop_front();
    if (l.sent > 0) --l.sent;
  }
}

// ---- Reading ------------------------------------------------------------------------------------------------------

void broker_client::fetch_some() {
  const partition_name* where = any_partition();
  if (where == nullptr) return;
  model::fetch f;
  const std::int64_t from = positions_[*where];
  f.items.push_back({{where->first, {}},
                     where->second,
                     model::offset(from),
                     model::epoch(-1),
                     model::epoch(-1),
                     static_cast<std::int64_t>(random_.between(1, 8000))});
  f.wait_ms = random_.chance(0.5) ? 0 : static_cast<std::int32_t>(random_.below(20));
  f.bytes_min = 1;
  f.bytes_max = 1 << 20;
  submit(f, asked_fetch{*where, from, known_.partitions[*where].high});
}

void broker_client::take(const asked_fetch& a, const model::fetched& e) {
  const auto& item = e.items.at(0);
  if (item.error == refusal::offset_out_of_range) {
    const auto& p = known_.partitions[a.where];
    if (p.cut && a.from > p.shown_end()) {
      positions_[a.where] = p.shown_end();
      ++counts_["async_resets"];
      return;
    }
    if (a.from >= std::max(p.trim_asked, p.trim_acked)) {
      return fail_(text(a.where) + ": offset " + std::to_string(a.from) + " is out of range, though it was shown");
    }
    positions_[a.where] = std::max(positions_[a.where], p.trim_asked);
    return;
  }
  if (item.error != refusal::none) return refused("fetch", item.error);
  auto& high = known_.partitions[a.where].high;
  if (item.high_watermark.raw() < a.high) {
    fail_(text(a.where) + ": the high watermark was " + std::to_string(a.high) + " and is " +
          std::to_string(item.high_watermark.raw()));
  }
  high = std::max(high, item.high_watermark.raw());
  std::int64_t next = a.from;
  for (const auto& entry : item.data.entries) {
    const auto view = kafka::batch_view::parse(entry.payload);
    if (!view) return fail_(text(a.where) + ": a fetched batch does not parse: " + view.error().describe());
    if (entry.base.raw() > next || entry.base.raw() + static_cast<std::int64_t>(entry.count) <= next) {
      return fail_(text(a.where) + ": a fetch from " + std::to_string(next) + " shows " +
                   std::to_string(entry.base.raw()));
    }
    const auto walked = kafka::for_each_record(*view, [&](const kafka::record& r) {
      if (r.value && r.value->size() >= 8) known_.show(a.where, r.offset, load_le<record_id>(r.value->data()));
      return true;
    });
    if (!walked) return fail_(text(a.where) + ": a fetched batch is damaged: " + walked.error().describe());
    next = entry.base.raw() + static_cast<std::int64_t>(entry.count);
    ++counts_["fetched"];
  }
  if (next > item.high_watermark.raw() && !item.data.entries.empty())
    fail_(text(a.where) + ": shown beyond the high watermark");
  positions_[a.where] = std::max(positions_[a.where], next);
}

// ---- Groups, topics, trims ----------------------------------------------------------------------------------------

void broker_client::commit_some() {
  const partition_name* where = any_partition();
  if (where == nullptr || committing_) return;
  committing_ = true;
  const std::int64_t at = ++next_commit_;
  known_.commits[{group_, *where}].asked.push_back(at);
  model::commit_offsets c;
  c.group = group_;
  c.items.push_back({{where->first, {}}, where->second, model::offset(at), model::epoch(-1), "m"});
  submit(c, asked_commit{*where, at});
}

void broker_client::take(const asked_commit& a, const model::offsets_committed& e) {
  committing_ = false;
  if (e.items.at(0) != refusal::none) return refused("commit", e.items.at(0));
  known_.commit_acked(group_, a.where, a.at);
  ++counts_["commits"];
}

void broker_client::ask_offsets() {
  if (port_ == nullptr) return;
  ask_broker();
  if (committing_) return;
  model::fetch_offsets c;
  c.group = group_;
  submit(c, asked_offsets{next_commit_});
}

void broker_client::take(const asked_offsets& a, const model::offsets_fetched& e) {
  if (e.error != refusal::none) return refused("fetch_offsets", e.error);
  if (next_commit_ != a.commits) return;  // a commit went beside it: either may show
  std::set<partition_name> there;
  for (const auto& i : e.items) {
    there.insert({i.topic, i.partition});
    known_.commit_read(group_, {i.topic, i.partition}, i.at.raw());
  }
  for (const auto& [key, c] : known_.commits) {
    if (key.first == group_ && c.known >= 0 && !there.contains(key.second)) {
      fail_("group " + group_ + " lost its offset of " + text(key.second));
    }
  }
  ++counts_["offset_reads"];
}

void broker_client::set_broker() {
  if (setting_asked_) return;
  setting_asked_ = true;
  const std::int64_t value = ++next_setting_;
  known_.commits[{settings_group, setting_}].asked.push_back(value);
  const std::string text = std::to_string(value);
  model::alter_configs c;
  c.items.push_back({model::config_resource::broker,
                     random_.chance(0.5) ? "1" : "",
                     {{setting_.first, model::alter_configs::op::set, text}},
                     false});
  // Under the other of the two names it may be set from before: the nearer one would hide this.
  if (c.items[0].name.empty()) {
    c.items.push_back(
        {model::config_resource::broker, "1", {{setting_.first, model::alter_configs::op::remove, {}}}, false});
  }
  submit(c, asked_setting{value});
}

void broker_client::take(const asked_setting& a, const model::configs_altered& e) {
  setting_asked_ = false;
  for (const auto& i : e.items) {
    if (i.error != refusal::none) return refused("alter_configs", i.error);
  }
  known_.commit_acked(settings_group, setting_, a.value);
  ++counts_["settings"];
}

void broker_client::ask_broker() {
  if (setting_asked_) return;
  model::describe_configs c;
  c.items.push_back({model::config_resource::broker, "1", std::vector<std::string_view>{setting_.first}});
  submit(c, asked_settings{next_setting_});
}

void broker_client::take(const asked_settings& a, const model::configs_described& e) {
  const auto& item = e.items.at(0);
  if (item.error != refusal::none) return refused("describe_configs", item.error);
  if (next_setting_ != a.settings) return;  // a change went beside it: either may show
  using source = model::config_entry::source;
  const bool set = !item.configs.empty() &&
                   (item.configs[0].from == source::node_set || item.configs[0].from == source::cluster_set);
  if (!set) {
    const auto at = known_.commits.find({settings_group, setting_});
    if (at != known_.commits.end() && at->second.known >= 0) fail_("the broker lost its value of " + setting_.first);
    return;
  }
  const std::string& text = *item.configs[0].value;
  std::int64_t value = -1;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  known_.commit_read(settings_group, setting_, value);
  ++counts_["setting_reads"];
}

void broker_client::create_topic() {
  if (known_.topics.size() >= 5) return;
  asked_topic a{"topic-" + std::to_string(index_) + "-" + std::to_string(next_token_),
                static_cast<std::int32_t>(random_.between(1, 4))};
  model::create_topics c;
  c.topics.emplace_back();
  c.topics.back().name = a.name;
  c.topics.back().partitions = a.partitions;
  a.async = levels != nullptr && levels->chance(0.5);
  if (a.async) c.topics.back().configs.emplace_back("weir.durability", "async");
  submit(c, a);
}

void broker_client::take(const asked_topic& a, const model::topics_created& e) {
  const auto& t = e.topics.at(0);
  if (t.error != refusal::none) return refused("create_topics", t.error);
  if (a.async && !levels_in_secret) known_.may_lose(a.name);
  known_.topics[a.name] = a.partitions;
  ++counts_["topics"];
}

void broker_client::change_level() {
  const partition_name* where = any_partition();
  if (where == nullptr || known_.levels[where->first].asked) return;
  const asked_level a{where->first, levels->chance(0.5)};
  known_.levels[a.topic].asked = true;
  if (a.async && !levels_in_secret) known_.may_lose(a.topic);
  model::alter_configs c;
  c.items.push_back({model::config_resource::topic,
                     a.topic,
                     {{"weir.durability", model::alter_configs::op::set, a.async ? "async" : "sync"}},
                     false});
  submit(c, a);
}

void broker_client::take(const asked_level& a, const model::configs_altered& e) {
  known_.levels[a.topic].asked = false;
  if (e.items.at(0).error != refusal::none) return refused("alter_configs", e.items.at(0).error);
  if (!a.async) known_.loses_nothing(a.topic);
  ++counts_[a.async ? "to_async" : "to_sync"];
}

void broker_client::trim_some() {
  const partition_name* where = any_partition();
  if (where == nullptr) return;
  auto& p = known_.partitions[*where];
  if (p.shown.empty()) return;
  // Only what was shown is deleted, so that the rest can still be asked for.
  const auto at = std::next(p.shown.begin(), static_cast<std::ptrdiff_t>(random_.below(p.shown.size())))->first;
  p.trim_asked = std::max(p.trim_asked, at);
  model::delete_records c;
  c.items.push_back({{where->first, {}}, where->second, model::offset(at)});
  submit(c, asked_trim{*where});
}

void broker_client::take(const asked_trim& a, const model::records_deleted& e) {
  const auto& i = e.items.at(0);
  if (i.error == refusal::offset_out_of_range) return;  // behind the start that somebody else moved
  if (i.error != refusal::none) return refused("delete_records", i.error);
  auto& p = known_.partitions[a.where];
  p.trim_acked = std::max(p.trim_acked, i.low_watermark.raw());
  ++counts_["trims"];
}

// ---- Events -------------------------------------------------------------------------------------------------------

bool broker_client::excused(refusal r) const {
  switch (r) {
    case refusal::busy:
    case refusal::coordinator_not_available:  // no room for the record now: clients try again
    case refusal::timed_out:
      return true;
    case refusal::storage_failed:
      return excuse_io || excuse_damage || excuse_space;
    case refusal::disk_full:
      return excuse_space;
    default:
      return false;
  }
}

void broker_client::refused(const char* what, refusal r) {
  ++counts_[std::string(what) + "_refused_" + std::to_string(static_cast<int>(r))];
  if (!excused(r)) fail_(std::string(what) + " was refused: " + std::to_string(static_cast<int>(r)));
}

void broker_client::on_event(model::token t, model::event&& e) {
  if (port_ == nullptr) return;
  const auto found = asked_.find(t.raw());
  if (found == asked_.end()) return fail_("an event without a command");
  const asked what = std::move(found->second);
  asked_.erase(found);
  std::visit(
      [&](const auto& a) {
        std::visit(
            [&](const auto& x) {
              if constexpr (requires { take(a, x); })
                take(a, x);
              else
                fail_("an event of the wrong kind");
            },
            e);
      },
      what);
}

}  // namespace weir::sim_tests
