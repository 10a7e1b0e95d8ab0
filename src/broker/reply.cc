#include "broker/reply.h"

namespace weir::broker {
namespace {

using model::refusal;

template<class T>
concept has_items = requires(T& e) {
  e.items.begin();
};
template<class T>
concept has_topics = requires(T& e) {
  e.topics.begin();
};
template<class T>
concept has_error = requires(T& e) {
  e.error = refusal::none;
};

template<class Item>
void fail_item(Item& i, refusal why) {
  if constexpr (std::is_same_v<Item, refusal>) {
    if (i == refusal::none) i = why;
  } else {
    if (i.error == refusal::none) i.error = why;
  }
}

void fail_item(model::produced::item& i, refusal why) {
  if (i.error != refusal::none) return;
  i.error = why;
  i.base = model::offset(-1);
  i.append_time_ms = -1;
}

void fail_item(model::fetched::item& i, refusal why) {
  if (i.error != refusal::none) return;
  i.error = why;
  i.data = {};
}

void fail_event(model::producer_ready& e, refusal why) { e = {why, -1, -1}; }
void fail_event(model::group_joined& e, refusal why) {
  e = {};
  e.error = why;
}
void fail_event(model::groups_described& e, refusal why) {
  for (auto& g : e.groups) fail_item(g, why);
}
void fail_event(model::groups_deleted& e, refusal why) {
  for (auto& [name, error] : e.groups) fail_item(error, why);
}
template<class Event>
void fail_event(Event& e, refusal why) {
  if constexpr (has_error<Event>) e.error = e.error == refusal::none ? why : e.error;
  if constexpr (has_items<Event>) {
    for (auto& i : e.items) fail_item(i, why);
  }
  if constexpr (has_topics<Event>) {
    for (auto& t : e.topics) fail_item(t, why);
  }
}

}  // namespace

void set_refusal(model::event& e, refusal why) {
  std::visit([&](auto& x) { fail_event(x, why); }, e);
}

void answer_queue::drain(model::ticket durable) {
  while (!items_.empty() && items_.front().when <= durable) {
    item next = std::move(items_.front());
    items_.pop_front();
    if (auto* e = std::get_if<model::event>(&next.what)) {
      next.to(std::move(*e));
    } else {
      std::get<task>(next.what)();
    }
  }
}

void answer_queue::fail(refusal why) {
  while (!items_.empty()) {
    item next = std::move(items_.front());
    items_.pop_front();
    if (auto* e = std::get_if<model::event>(&next.what)) {
      set_refusal(*e, why);
      next.to(std::move(*e));
    }
  }
}

}  // namespace weir::broker
