// The parts of one core, put together. Owner thread: the core's reactor, except `k.exec.send` and `k.alive`.
#pragma once

#include <functional>
#include <memory>

#include "broker/fetch.h"
#include "broker/front_desk.h"
#include "broker/group_desk.h"
#include "broker/keeper.h"
#include "broker/kernel.h"
#include "broker/offsets.h"
#include "broker/produce.h"
#include "broker/producer_ids.h"
#include "broker/state.h"
#include "broker/topic_admin.h"

namespace weir::broker {

struct core_parts {
  core_parts(const layout& where, const core_deps& deps);

  kernel k;
  producer_ids ids;
  fetch_part fetches;
  offsets_part offsets;
  group_desk groups;
  keeper topics;
  topic_admin admin;
  producer_part produces;
  state_part state;
  front_desk desk;
  remote_desk remote;

  // Runs a command whose partitions and groups all live on this reactor (catalog changes: on reactor 0).
  void handle(const reply_to& to, const model::caller& who, waiter_id waiter, const model::command& c);
  // Nobody waits for these answers any more.
  void drop(const reply_sink* sink, std::uint64_t owner);
  // This reactor's store has no room, or has again: every reactor's sessions must know.
  void tell_pressure(bool paused);

  // Entries of async topics were appended: waiting fetches hear of them.
  void tell_shown();

  void start(model::log_store& store, std::function<void(result<void>)> ready);
  // Not reactor 0: the whole catalog has come.
  void take_catalog(std::shared_ptr<const catalog_change> all);
  void stop();
  void on_durable(model::ticket t);
  void on_fenced();

 private:
  void begin_node();
  void serve();
  void sweep();
  void describe_log_dirs(const reply_to& to, const model::caller& who, const model::describe_log_dirs& c);

  std::function<void(result<void>)> ready_;
  std::shared_ptr<const catalog_change> catalog_;
  timer_id sweep_timer_{};
  bool telling_shown_ = false;
};

}  // namespace weir::broker
