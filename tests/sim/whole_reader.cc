#include "tests/sim/whole_reader.h"

#include "protocol/kafka/record_batch.h"
#include "protocol/kafka/records.h"

namespace weir::sim_tests {

using model::refusal;

void whole_reader::start(model::broker_port& port) {
  port_ = &port;
  model::caller who;
  who.principal = "loopback";
  who.loopback = true;
  session_ = port.attach(*this, who);
  for (const auto& [name, partitions] : known_.topics) {
    for (std::int32_t i = 0; i < partitions; ++i) left_.emplace_back(name, i);
  }
  next_partition();
}

void whole_reader::next_partition() {
  if (left_.empty()) {
    done_ = true;
    return;
  }
  now_ = left_.back();
  left_.pop_back();
  records_.clear();
  model::list_offsets c;
  c.items.push_back({{now_.first, {}}, now_.second, model::epoch(-1), model::offset_spec::earliest, 0});
  port_->submit(session_, model::token(++token_), c);
}

whole_reader::step whole_reader::failed(const std::string& why) {
  fail_(why);
  return step::none;
}

whole_reader::step whole_reader::take(const model::offsets_listed& e) {
  const auto& i = e.items.at(0);
  if (i.error != refusal::none) return failed("list_offsets was refused: " + std::to_string(static_cast<int>(i.error)));
  start_ = position_ = i.at.raw();
  return step::fetch;
}

void whole_reader::fetch() {
  model::fetch f;
  f.items.push_back(
      {{now_.first, {}}, now_.second, model::offset(position_), model::epoch(-1), model::epoch(-1), 20'000});
  f.bytes_max = 1 << 20;
  port_->submit(session_, model::token(++token_), f);
}

whole_reader::step whole_reader::take(const model::fetched& e) {
  const auto& item = e.items.at(0);
  if (item.error != refusal::none)
    return failed("a last fetch was refused: " + std::to_string(static_cast<int>(item.error)));
  for (const auto& entry : item.data.entries) {
    const auto view = kafka::batch_view::parse(entry.payload);
    if (!view) return failed("a batch does not parse: " + view.error().describe());
    const auto walked = kafka::for_each_record(*view, [&](const kafka::record& r) {
      if (r.value && r.value->size() >= 8 && r.offset >= start_) {
        const auto id = load_le<record_id>(r.value->data());
        known_.show(now_, r.offset, id);
        records_.emplace(r.offset, id);
      }
      return true;
    });
    if (!walked) return failed("a batch is damaged: " + walked.error().describe());
    position_ = entry.base.raw() + static_cast<std::int64_t>(entry.count);
  }
  if (item.data.entries.empty() || position_ >= item.high_watermark.raw()) {
    if (position_ != item.high_watermark.raw()) fail_("a last fetch ends below the high watermark");
    known_.check_whole(now_, start_, item.high_watermark.raw(), records_);
    return step::next_partition;
  }
  return step::fetch;
}

void whole_reader::on_event(model::token, model::event&& e) {
  step then = step::none;
  {
    const model::event mine = std::move(e);
    if (const auto* listed = std::get_if<model::offsets_listed>(&mine)) {
      then = take(*listed);
    } else if (const auto* fetched = std::get_if<model::fetched>(&mine)) {
      then = take(*fetched);
    } else {
      fail_("an event of the wrong kind");
    }
  }
  if (then == step::fetch) fetch();
  if (then == step::next_partition) next_partition();
}

}  // namespace weir::sim_tests
