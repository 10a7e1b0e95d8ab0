// Produce, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, InitProducerId, DescribeProducers.
#include "protocol/kafka/api.h"

namespace weir::kafka::api {
namespace {

constexpr std::int64_t no_offset = -1;
constexpr std::int16_t zstd_since = 7;           // Produce
constexpr std::int16_t record_errors_since = 8;  // Produce

std::optional<model::produce::acks> acks_of(std::int16_t acks) {
  switch (acks) {
    case -1:
      return model::produce::acks::all;
    case 0:
      return model::produce::acks::none;
    case 1:
      return model::produce::acks::leader;
    default:
      return std::nullopt;
  }
}

std::vector<asked_topic> remember(const produce_request& r) {
  std::vector<asked_topic> out;
  out.reserve(r.topics.size());
  for (const auto& t : r.topics) {
    asked_topic& a = out.emplace_back(asked_topic{std::string(t.name), t.topic_id, {}});
    a.partitions.reserve(t.partitions.size());
    for (const auto& p : t.partitions) a.partitions.push_back(p.index);
  }
  return out;
}

produce_response::partition to_wire(const model::produced::item& item, std::int32_t index) {
  produce_response::partition p;
  p.index = index;
  p.error_code = to_error(item.error);
  p.base_offset = item.base.raw();
  p.log_append_time_ms = item.append_time_ms;
  p.log_start_offset = item.log_start.raw();
  p.error_message = optional_text(item.detail);
  for (const auto& e : item.records) p.record_errors.push_back({e.index, optional_text(e.text)});
  return p;
}

void answer_produce(session& s, const inbound& q, const std::vector<asked_topic>& topics, const model::produced& done) {
  produce_response r;
  r.topics.reserve(topics.size());
  std::size_t next = 0;
  for (const asked_topic& t : topics) {
    auto& out = r.topics.emplace_back();
    out.name = t.name;
    out.topic_id = t.id;
    out.partitions.reserve(t.partitions.size());
    for (const std::int32_t index : t.partitions) out.partitions.push_back(to_wire(done.items[next++], index));
  }
  s.answer(q, r);
}

// An answer that says the same of every partition.
void refuse_produce(session& s, const inbound& q, const produce_request& r, model::refusal why) {
  model::produced all;
  for (const auto& t : r.topics) all.items.resize(all.items.size() + t.partitions.size());
  for (auto& item : all.items) item.error = why;
  answer_produce(s, q, remember(r), all);
}

}  // namespace

void produce(session& s, const inbound& q) {
  const auto r = s.read<produce_request>(q);
  if (!r) return;
  const auto acks = acks_of(r->acks);
  if (!acks) return refuse_produce(s, q, *r, model::refusal::invalid_acks);
  model::produce c;
  c.wait = *acks;
  c.timeout_ms = r->timeout_ms;
  c.zstd_allowed = q.version >= zstd_since;
  std::size_t count = 0;
  for (const auto& t : r->topics) count += t.partitions.size();
  c.items.reserve(count);
  for (const auto& t : r->topics)
    for (const auto& p : t.partitions)
      c.items.push_back({ref_of(t.name, t.topic_id), p.index, model::format_tag::kafka_batch_v2, p.records.data});
  if (*acks == model::produce::acks::none) return s.tell(std::move(c));
  s.ask(q, std::move(c), [topics = remember(*r)](session& to, const inbound& of, model::event&& e) {
    answer_produce(to, of, topics, std::get<model::produced>(e));
  });
}

namespace {

// Negative timestamps of ListOffsets name places (KIP-79, 734, 405, 1005, 1023); others are times.
std::pair<model::offset_spec, bool> place_of(std::int64_t timestamp, std::int16_t version) {
  switch (timestamp) {
    case -1:
      return {model::offset_spec::latest, true};
    case -2:
      return {model::offset_spec::earliest, true};
    case -3:
      return {model::offset_spec::max_timestamp, version >= 7};
    case -4:
      return {model::offset_spec::earliest_local, version >= 8};
    case -5:
      return {model::offset_spec::latest_tiered, version >= 9};
    case -6:
      return {model::offset_spec::latest_tiered, version >= 11};
    default:
      return {model::offset_spec::at_time, timestamp >= 0};
  }
}

}  // namespace

void list_offsets(session& s, const inbound& q) {
  const auto r = s.read<list_offsets_request>(q);
  if (!r) return;
  model::list_offsets c;
  c.committed_only = r->isolation_level == 1;
  std::vector<asked_topic> topics;
  std::vector<error_code> refused;  // of each partition; `none` when the core is asked
  first_times first;
  for (const auto& t : r->topics) {
    asked_topic& a = topics.emplace_back(asked_topic{std::string(t.name), {}, {}});
    for (const auto& p : t.partitions) {
      a.partitions.push_back(p.index);
      const auto [what, fine] = place_of(p.timestamp, q.version);
      // A search by time may read and open a whole batch: once per partition is what a request may ask for.
      const bool again = !first(t.name, {}, p.index);
      refused.push_back(again  ? error_code::invalid_request
                        : fine ? error_code::none
                               : error_code::unsupported_version);
      if (refused.back() == error_code::none)
        c.items.push_back({{t.name, {}}, p.index, model::epoch(p.current_leader_epoch), what, p.timestamp});
    }
  }
  s.ask(q, std::move(c),
        [topics = std::move(topics), refused = std::move(refused)](session& to, const inbound& of, model::event&& e) {
          const auto& done = std::get<model::offsets_listed>(e);
          list_offsets_response out;
          std::size_t asked = 0;
          std::size_t found = 0;
          for (const asked_topic& t : topics) {
            auto& topic = out.topics.emplace_back();
            topic.name = t.name;
            for (const std::int32_t index : t.partitions) {
              auto& p = topic.partitions.emplace_back();
              p.index = index;
              p.error_code = refused[asked++];
              if (p.error_code != error_code::none) continue;
              const auto& item = done.items[found++];
              p.error_code = to_error(item.error);
              p.offset = item.at.raw();
              p.timestamp = item.timestamp_ms;
              p.leader_epoch = item.leader_epoch.raw();
            }
          }
          to.answer(of, out);
        });
}

void offset_for_leader_epoch(session& s, const inbound& q) {
  const auto r = s.read<offset_for_leader_epoch_request>(q);
  if (!r) return;
  model::epoch_ends c;
  std::vector<asked_topic> topics;
  for (const auto& t : r->topics) {
    asked_topic& a = topics.emplace_back(asked_topic{std::string(t.name), {}, {}});
    for (const auto& p : t.partitions) {
      a.partitions.push_back(p.index);
      c.items.push_back({{t.name, {}}, p.index, model::epoch(p.current_leader_epoch), model::epoch(p.leader_epoch)});
    }
  }
  s.ask(q, std::move(c), [topics = std::move(topics)](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::epoch_ends_found>(e);
    offset_for_leader_epoch_response out;
    std::size_t next = 0;
    for (const asked_topic& t : topics) {
      auto& topic = out.topics.emplace_back();
      topic.name = t.name;
      for (const std::int32_t index : t.partitions) {
        const auto& item = done.items[next++];
        topic.partitions.push_back({to_error(item.error), index, item.found.raw(), item.end.raw()});
      }
    }
    to.answer(of, out);
  });
}

void delete_records(session& s, const inbound& q) {
  const auto r = s.read<delete_records_request>(q);
  if (!r) return;
  model::delete_records c;
  std::vector<asked_topic> topics;
  for (const auto& t : r->topics) {
    asked_topic& a = topics.emplace_back(asked_topic{std::string(t.name), {}, {}});
    for (const auto& p : t.partitions) {
      a.partitions.push_back(p.index);
      c.items.push_back({{t.name, {}}, p.index, model::offset(p.offset)});
    }
  }
  s.ask(q, std::move(c), [topics = std::move(topics)](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::records_deleted>(e);
    delete_records_response out;
    std::size_t next = 0;
    for (const asked_topic& t : topics) {
      auto& topic = out.topics.emplace_back();
      topic.name = t.name;
      for (const std::int32_t index : t.partitions) {
        const auto& item = done.items[next++];
        const std::int64_t low = item.error == model::refusal::none ? item.low_watermark.raw() : no_offset;
        topic.partitions.push_back({index, low, to_error(item.error)});
      }
    }
    to.answer(of, out);
  });
}

void init_producer_id(session& s, const inbound& q) {
  const auto r = s.read<init_producer_id_request>(q);
  if (!r) return;
  model::init_producer c;
  c.transactional_id = r->transactional_id;
  c.timeout_ms = r->transaction_timeout_ms;
  c.producer_id = r->producer_id;
  c.producer_epoch = r->producer_epoch;
  s.ask(q, c, [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::producer_ready>(e);
    init_producer_id_response out;
    out.error_code = to_error(done.error);
    out.producer_id = done.producer_id;
    out.producer_epoch = done.producer_epoch;
    to.answer(of, out);
  });
}

void describe_producers(session& s, const inbound& q) {
  const auto r = s.read<describe_producers_request>(q);
  if (!r) return;
  model::describe_producers c;
  std::vector<asked_topic> topics;
  first_times first;
  for (const auto& t : r->topics) {
    asked_topic& a = topics.emplace_back(asked_topic{std::string(t.name), {}, {}});
    for (const std::int32_t p : t.partition_indexes) {
      if (!first(t.name, {}, p)) continue;
      a.partitions.push_back(p);
      c.items.push_back({{t.name, {}}, p});
    }
  }
  s.ask(q, std::move(c), [topics = std::move(topics)](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::producers_described>(e);
    describe_producers_response out;
    std::size_t next = 0;
    for (const asked_topic& t : topics) {
      auto& topic = out.topics.emplace_back();
      topic.name = t.name;
      for (const std::int32_t index : t.partitions) {
        const auto& item = done.items[next++];
        auto& p = topic.partitions.emplace_back();
        p.index = index;
        p.error_code = to_error(item.error);
        p.error_message = optional_text(item.detail);
        for (const auto& one : item.producers)
          p.active_producers.push_back({one.last.producer_id, one.last.producer_epoch, one.last.last_sequence,
                                        one.last_timestamp_ms, one.coordinator_epoch, one.txn_start.raw()});
      }
    }
    to.answer(of, out);
  });
}

}  // namespace weir::kafka::api
