// Incremental fetch sessions (KIP-227): what a consumer reads, remembered between its fetches.
//
// Sessions live with their connection: a client that reconnects gets FETCH_SESSION_ID_NOT_FOUND and starts a
// new one, which every client must be able to do. Owner thread: the connection's reactor. Invariant: an
// incremental answer names a partition iff it has records, an error, a diverging epoch, or its high watermark
// or log start changed since the last answer that named it. A partition that a request names twice counts once.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "model/commands.h"
#include "protocol/kafka/gen/data.h"

namespace weir::kafka {

// No topic has a longer name. A fetch that names one anyway is answered, but not remembered.
inline constexpr std::size_t session_name_bytes_max = 249;

struct fetch_target {
  std::string name;  // empty where the client speaks in ids (version 13 and later)
  uuid id{};
  std::int32_t partition = 0;
  std::int32_t current_epoch = -1;
  std::int32_t last_epoch = -1;
  std::int64_t from = 0;
  std::int64_t bytes_max = 0;
  // What the client knows from our last answer.
  std::int64_t high_watermark = -1;
  std::int64_t log_start = -1;
};

struct fetch_session {
  std::int32_t id = 0;
  std::int32_t epoch = 1;  // the epoch that the next request must carry
  bool by_id = false;      // speaks in topic ids; must not change (error 106)
  std::vector<fetch_target> targets;

  void update(const fetch_request& q);  // applies the request's topics and forgotten topics
};

class fetch_sessions {
 public:
  // `max` sessions with `partitions_max` partitions in all: the oldest make room. A fetch that is too large for any
  // session is answered without one, which every client takes; a session that grows too large ends. So do those with
  // names beyond session_name_bytes_max.
  explicit fetch_sessions(std::size_t max, std::size_t partitions_max = SIZE_MAX)
      : max_(max), partitions_max_(partitions_max) {}

  struct opened {
    error_code error = error_code::none;
    std::shared_ptr<fetch_session> session;  // nullptr: sessionless
    bool full = true;                        // the answer names every partition
  };
  // Finds, opens or closes the session that the request speaks of and applies the request to it.
  [[nodiscard]] opened on_request(const fetch_request& q, bool by_id);

 private:
  void drop(std::int32_t id);
  // Drops the oldest until `more` partitions fit; false when they cannot.
  [[nodiscard]] bool make_room(std::size_t more);

  std::size_t max_;
  std::size_t partitions_max_;
  std::int32_t next_id_ = 1;
  std::list<std::shared_ptr<fetch_session>> sessions_;  // the most recently used last
};

// The targets of one request, in its order.
[[nodiscard]] std::vector<fetch_target> targets_of(const fetch_request& q);

}  // namespace weir::kafka
