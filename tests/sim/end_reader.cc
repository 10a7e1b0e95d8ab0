#include "tests/sim/end_reader.h"

#include <string>
#include <utility>

namespace weir::sim_tests {

using model::refusal;

end_reader::end_reader(broker_truth& known, broker_truth::fail_fn fail) : known_(known), fail_(std::move(fail)) {
  for (const auto& [name, partitions] : known_.topics) {
    if (!known_.levels[name].may_lose) continue;
    for (std::int32_t i = 0; i < partitions; ++i) asked_.emplace_back(name, i);
  }
}

void end_reader::start(model::broker_port& port) {
  model::caller who;
  who.principal = "loopback";
  who.loopback = true;
  const model::session_id session = port.attach(*this, who);
  model::list_offsets c;
  for (const auto& [name, index] : asked_) {
    c.items.push_back({{name, {}}, index, model::epoch(-1), model::offset_spec::latest, 0});
  }
  port.submit(session, model::token(1), c);
}

void end_reader::on_event(model::token, model::event&& e) {
  done_ = true;
  const auto* listed = std::get_if<model::offsets_listed>(&e);
  if (listed == nullptr) return fail_("an event of the wrong kind");
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    const auto& item = listed->items.at(i);
    if (item.error == refusal::none) {
      known_.restarted(asked_[i], item.at.raw());
    } else {
      failed_ = true;
      if (item.error != refusal::storage_failed) {
        fail_("list_offsets was refused: " + std::to_string(static_cast<int>(item.error)));
      }
    }
  }
}

}  // namespace weir::sim_tests
