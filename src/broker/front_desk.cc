#include "broker/front_desk.h"

#include <variant>

#include "base/assert.h"
#include "broker/core_parts.h"

namespace weir::broker {

front_desk::front_desk(core_parts& parts)
    : parts_(parts), node_{parts.k.config.node_id, parts.k.config.cluster_id}, gather_sink_(*this) {}

front_desk::~front_desk() = default;

front_desk::session* front_desk::find(std::uint64_t id) {
  const std::size_t slot = session_numbers::slot_of(id);
  if (slot >= sessions_.size()) return nullptr;
  session& s = sessions_[slot];
  return s.sink != nullptr && s.number == id ? &s : nullptr;
}

model::session_id front_desk::attach(model::event_sink& sink, const model::caller& who) {
  const std::uint64_t number = numbers_.take();
  const std::size_t slot = session_numbers::slot_of(number);
  if (slot >= sessions_.size()) sessions_.resize(slot + 1);
  session& s = sessions_[slot];
  s.number = number;
  s.sink = &sink;
  s.who = std::make_shared<const model::caller>(who);
  s.publishes = false;
  s.paused = false;
  return model::session_id(number);
}

void front_desk::detach(model::session_id id) {
  session* s = find(id.raw());
  if (s == nullptr) return;
  s->sink = nullptr;
  s->who = nullptr;
  numbers_.give_back(id.raw());
  if (stopped_) return;
  parts_.drop(this, id.raw());
  drop_gatherings(id.raw());
  const waiter_id w = waiter(id.raw());
  for (core_parts* peer : parts_.k.peers) {
    if (peer == &parts_) {
      parts_.groups.coordinator().drop(w);
      continue;
    }
    peer->k.exec.send([peer, alive = std::weak_ptr(peer->k.alive), w] {
      if (!alive.expired() && !peer->k.stopped) peer->groups.coordinator().drop(w);
    });
  }
}

// Sessions of several reactors park at one coordinator: the reactor's number keeps them apart, in bits that a session's
// number leaves free.
waiter_id front_desk::waiter(std::uint64_t id) const {
  return waiter_id(id | (std::uint64_t{parts_.k.where.reactor} << session_numbers::number_bits));
}

void front_desk::submit(model::session_id id, model::token t, model::command&& c) {
  if (stopped_) return;
  WEIR_ASSERT(serving_);
  session* s = find(id.raw());
  if (s == nullptr) return;
  // The session may go away, and its slot move, while the command runs.
  const std::shared_ptr<const model::caller> who = s->who;
  if (std::holds_alternative<model::produce>(c) && !s->publishes) {
    s->publishes = true;
    if (pressing_ > 0) set_paused(*s, true);
  }
  if (parts_.k.where.reactors > 1) return route(id.raw(), *who, t.raw(), c);
  parts_.handle({this, id.raw(), t.raw()}, *who, waiter(id.raw()), c);
}

void front_desk::reply(const reply_to& to, model::event&& e) {
  if (stopped_) return;
  session* s = find(to.owner);
  if (s != nullptr) s->sink->on_event(model::token(to.token), std::move(e));
}

void front_desk::set_paused(session& s, bool paused) {
  if (s.paused == paused) return;
  s.paused = paused;
  s.sink->on_pressure(paused);
}

void front_desk::pressure(bool paused) {
  if (stopped_) return;
  if (paused) {
    ++pressing_;
  } else if (pressing_ > 0) {
    --pressing_;
  }
  // By index: a session that is told may attach or detach others.
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    if (sessions_[i].sink != nullptr && sessions_[i].publishes) set_paused(sessions_[i], pressing_ > 0);
  }
}

void front_desk::part_arrived() {
  if (stopped_ || !crowded_->load(std::memory_order_relaxed)) return;
  if (forwarded_bytes() > parts_.k.config.limits.forwarded_bytes / 2) return;
  crowded_->store(false, std::memory_order_relaxed);
  pressure(false);
}

void front_desk::stop() {
  stopped_ = true;
  gatherings_.clear();
}

}  // namespace weir::broker
