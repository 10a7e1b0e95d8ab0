#include "broker/offsets.h"

#include <algorithm>
#include <span>

namespace weir::broker {

using model::refusal;

namespace {

// How much one step of a search past an entry that had nothing reads.
constexpr std::size_t search_step_bytes = 1U << 20;

model::offset end_of(const model::read_entry& e) { return e.base + static_cast<std::int64_t>(e.count); }

}  // namespace

// ---- list_offsets -----------------------------------------------------------------------------------------------------

void offsets_part::list(const reply_to& to, const model::caller& who, const model::list_offsets& c) {
  auto l = std::make_shared<listing>();
  l->to = to;
  l->out.items.resize(c.items.size());
  for (std::size_t i = 0; i < c.items.size(); ++i) list_one(l, i, who, c.items[i]);
  done(l);
}

void offsets_part::done(const listing_ptr& l) {
  if (--l->open > 0 || k_.stopped) return;
  k_.answer(k_.control_ticket, l->to, std::move(l->out));
}

void offsets_part::list_one(const listing_ptr& l, std::size_t index, const model::caller& who,
                            const model::list_offsets::item& in) {
  model::offsets_listed::item& out = l->out.items[index];
  const auto found = k_.locate(who, in.topic, in.partition, security::operation::describe);
  out.error = found.error;
  if (out.error == refusal::none) out.error = k_.check_epoch(*found.at, in.current_epoch);
  if (out.error == refusal::none && k_.fenced) out.error = refusal::storage_failed;
  if (out.error != refusal::none) return;
  const partition& p = *found.at;
  const model::log_info log = k_.store->info(p.log);
  switch (in.what) {
    case model::offset_spec::earliest:
    case model::offset_spec::earliest_local:
      out.at = log.start;
      out.leader_epoch = p.epochs.at(log.start);
      if (out.leader_epoch.raw() < 0) out.leader_epoch = k_.leader_epoch(p);
      return;
    case model::offset_spec::latest:
      out.at = p.visible_end(log);
      out.leader_epoch = k_.leader_epoch(p);
      return;
    case model::offset_spec::latest_tiered:
      return;  // nothing is tiered: -1
    case model::offset_spec::max_timestamp:
      return find_latest_time(l, index, p.log, p.visible_end(log));
    case model::offset_spec::at_time:
      return find_time(l, index, p.log, in.time_ms, p.visible_end(log));
  }
}

void offsets_part::find_latest_time(const listing_ptr& l, std::size_t index, model::log_id log, model::offset below) {
  ++l->open;
  k_.store->find_latest_time(log, below, [this, l, index, log](result<std::optional<model::read_batch>> r) {
    if (k_.stopped) return;
    if (!r) {
      l->out.items[index].error = refusal_of(r.error());
    } else if (*r && !(*r)->entries.empty()) {
      (void)pick(**r, log, (*r)->entries.front().max_timestamp_ms, l->out.items[index]);
    }
    done(l);
  });
}

void offsets_part::find_time(const listing_ptr& l, std::size_t index, model::log_id log, std::int64_t from_ms,
                             model::offset below) {
  ++l->open;
  k_.store->find_time(log, from_ms, below,
                      [this, l, index, log, from_ms, below](result<std::optional<model::read_batch>> r) {
                        if (k_.stopped) return;
                        if (!r) {
                          l->out.items[index].error = refusal_of(r.error());
                        } else if (*r && !(*r)->entries.empty() && !pick(**r, log, from_ms, l->out.items[index])) {
                          read_on(l, index, log, from_ms, end_of((*r)->entries.back()), below);
                        }
                        done(l);
                      });
}

bool offsets_part::pick(const model::read_batch& batch, model::log_id log, std::int64_t from_ms,
                        model::offsets_listed::item& out) const {
  if (!k_.store->exists(log)) {
    out.error = refusal::unknown_topic_or_partition;
    return true;
  }
  const model::offset start = k_.store->info(log).start;
  for (const model::read_entry& e : batch.entries) {
    if (e.max_timestamp_ms < from_ms) continue;
    const model::entry_format* format = k_.formats.find(e.format);
    if (format == nullptr) continue;
    const auto accept = [&](model::offset at, std::int64_t ms) {
      out.at = at;
      out.timestamp_ms = ms;
      out.leader_epoch = e.leader_epoch;
    };
    const auto found = format->find_time(e.payload, from_ms);
    if (!found) {
      out.error = refusal::storage_failed;
      return true;
    }
    if (!*found) continue;
    if ((*found)->at >= start) {
      accept((*found)->at, (*found)->timestamp_ms);
      return true;
    }
    // The entry straddles the log's start and the record is in the part that is deleted.
    bool hit = false;
    (void)format->for_each(e.payload, [&](const model::record_view& r) {
      hit = r.at >= start && r.timestamp_ms >= from_ms;
      if (hit) accept(r.at, r.timestamp_ms);
      return !hit;
    });
    if (hit) return true;
  }
  return false;
}

void offsets_part::read_on(const listing_ptr& l, std::size_t index, model::log_id log, std::int64_t from_ms,
                           model::offset from, model::offset below) {
  if (!k_.store->exists(log)) return;
  from = std::max(from, k_.store->info(log).start);
  if (from >= below) return;
  ++l->open;
  k_.store->read(
      {log, from, below, search_step_bytes, true}, [this, l, index, log, from_ms, below](result<model::read_batch> r) {
        if (k_.stopped) return;
        if (!r) {
          l->out.items[index].error = refusal_of(r.error());
        } else if (!r->entries.empty() && !pick(*r, log, from_ms, l->out.items[index])) {
          // One turn per step, so that a long search neither recurses nor holds the reactor.
          ++l->open;
          k_.exec.defer(
              [this, alive = std::weak_ptr(k_.alive), l, index, log, from_ms, next = end_of(r->entries.back()), below] {
                if (alive.expired() || k_.stopped) return;
                read_on(l, index, log, from_ms, next, below);
                done(l);
              });
        }
        done(l);
      });
}

// ---- leader epochs ----------------------------------------------------------------------------------------------------

void offsets_part::epochs(const reply_to& to, const model::caller& who, const model::epoch_ends& c) {
  model::epoch_ends_found out;
  out.items.resize(c.items.size());
  for (std::size_t i = 0; i < c.items.size(); ++i) {
    const auto& in = c.items[i];
    auto& o = out.items[i];
    const auto found = k_.locate(who, in.topic, in.partition, security::operation::describe);
    o.error = found.error;
    if (o.error == refusal::none) o.error = k_.check_epoch(*found.at, in.current_epoch);
    if (o.error != refusal::none) continue;
    const model::offset visible = found.at->visible_end(k_.store->info(found.at->log));
    const epoch_end end = found.at->epochs.end_of(in.asked, k_.leader_epoch(*found.at), visible);
    o.found = end.found;
    o.end = end.end;
  }
  k_.answer(k_.control_ticket, to, std::move(out));
}

// ---- delete_records ---------------------------------------------------------------------------------------------------

// In as many records as their size needs.
void offsets_part::trim_shard(model::shard_id shard, const std::vector<planned_trim>& trims,
                              model::records_deleted& out) {
  const std::size_t per_record = std::max<std::size_t>(k_.config.limits.record_bytes / change_overhead_bytes, 1);
  for (std::size_t done = 0; done < trims.size(); done += per_record) {
    const auto part = std::span(trims).subspan(done, std::min(per_record, trims.size() - done));
    model::new_record record;
    record.shard = shard;
    for (const auto& [index, change] : part) record.changes.push_back(change);
    const auto appended = k_.append(record, model::log_store::write_class::essential);
    if (appended) continue;
    for (const auto& [index, change] : part) out.items[index] = {refusal_of(appended.error()), model::offset(-1)};
  }
}

void offsets_part::trim(const reply_to& to, const model::caller& who, const model::delete_records& c) {
  model::records_deleted out;
  out.items.resize(c.items.size());
  std::vector<std::vector<planned_trim>> by_shard(k_.where.shards_per_reactor);
  for (std::size_t i = 0; i < c.items.size(); ++i) {
    const auto& in = c.items[i];
    auto& o = out.items[i];
    const auto found = k_.locate(who, in.topic, in.partition, security::operation::remove);
    o.error = found.error;
    if (o.error != refusal::none) continue;
    const partition& p = *found.at;
    // A log that is only compacted keeps the last record of every key; Kafka refuses here too.
    if (!(*found.of)->effective->policy.delete_old) {
      o.error = refusal::policy_violation;
      continue;
    }
    const model::log_info log = k_.store->info(p.log);
    const model::offset visible = p.visible_end(log);
    const model::offset before = in.before.raw() == -1 ? visible : in.before;
    if (before.raw() < 0 || before > visible) {
      o.error = refusal::offset_out_of_range;
      continue;
    }
    o.low_watermark = std::max(before, log.start);
    if (before <= log.start) continue;
    by_shard[static_cast<std::size_t>(p.shard.raw()) % k_.where.shards_per_reactor].push_back(
        {i, {model::log_change_kind::trim, p.log, before}});
  }
  const auto shards = shards_of(k_.where);
  for (std::size_t s = 0; s < by_shard.size(); ++s) {
    if (by_shard[s].empty()) continue;
    trim_shard(shards[s], by_shard[s], out);
  }
  k_.answer(k_.control_ticket, to, std::move(out));
}

// ---- describe_producers -----------------------------------------------------------------------------------------------

void offsets_part::producers(const reply_to& to, const model::caller& who, const model::describe_producers& c) {
  model::producers_described out;
  out.items.resize(c.items.size());
  model::ticket observed = k_.control_ticket;
  const std::int64_t expired = k_.time.wall().raw() - k_.config.producer_id_expiration_ms;
  for (std::size_t i = 0; i < c.items.size(); ++i) {
    auto& o = out.items[i];
    const auto found = k_.locate(who, c.items[i].topic, c.items[i].partition, security::operation::read);
    o.error = found.error;
    if (o.error != refusal::none || !found.at->producers) continue;
    // It shows producers whose last batch may not be on disk yet.
    if (!found.at->async()) observed = k_.store->last_ticket();
    for (const auto& [id, state] : found.at->producers->all()) {
      if (state.seen_ms < expired) continue;
      model::producers_described::producer p;
      p.last.producer_id = id;
      p.last.producer_epoch = state.epoch;
      p.last.first_sequence = state.last().first_sequence;
      p.last.last_sequence = state.last().last_sequence;
      p.last_timestamp_ms = state.seen_ms;
      o.producers.push_back(p);
    }
    std::sort(o.producers.begin(), o.producers.end(),
              [](const auto& a, const auto& b) { return a.last.producer_id < b.last.producer_id; });
  }
  k_.answer(observed, to, std::move(out));
}

}  // namespace weir::broker
