// The broker port: how a session reaches the core. One per reactor; everything here belongs to that reactor's
// thread.
//
// A session attaches once and submits commands with tokens of its own choice; each command is answered by
// exactly one event with its token (produce with acks none by none, unless it failed), possibly before submit
// returns. After detach no event comes: waiting fetches and joins of that session are dropped, appends that
// were taken stay taken.
#pragma once

#include <cstdint>

#include "model/commands.h"

namespace weir::model {

using session_id = strong<struct session_id_tag, std::uint64_t>;
using token = strong<struct token_tag, std::uint64_t>;

class event_sink {
 public:
  event_sink() = default;
  event_sink(const event_sink&) = delete;
  event_sink& operator=(const event_sink&) = delete;
  virtual ~event_sink() = default;

  virtual void on_event(token t, event&& e) = 0;
  // The core is short of memory for publishing connections (or is not any more): stop (start) reading bulk
  // input.
  virtual void on_pressure(bool paused) = 0;
};

class broker_port {
 public:
  broker_port() = default;
  broker_port(const broker_port&) = delete;
  broker_port& operator=(const broker_port&) = delete;
  virtual ~broker_port() = default;

  [[nodiscard]] virtual session_id attach(event_sink& sink, const caller& who) = 0;
  virtual void detach(session_id s) = 0;
  virtual void submit(session_id s, token t, command&& c) = 0;

  // What sessions may need to know without asking: this node, the cluster, the coordinator of every group.
  struct node_info {
    std::int32_t id = 1;
    std::string cluster_id;
  };
  [[nodiscard]] virtual const node_info& node() const = 0;
};

}  // namespace weir::model
