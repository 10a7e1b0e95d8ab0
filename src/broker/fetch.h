// Fetch: reads what is visible (durable; of async topics: appended), or waits for it (long poll) without scanning: a waiting fetch stands in the waiter list
// of each partition that it asks, and is woken when those have had bytes_min more bytes made visible, when a partition of
// it goes away, or when its time is up.
//
// Sizes: an answer holds at most min(bytes_max, the configured cap) payload bytes, and of each partition its own maximum;
// only the first entry of the whole answer may be larger. Partitions are filled in the order of the command. Reads that
// need the disk run side by side, each with what is left of the sizes reserved.
// A part of a fetch that is spread over reactors has its least size in common with the others: it reports when it has its
// share, and is given another one, until all have the size together (front_desk).
// Owner thread: the core's reactor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/kernel.h"

namespace weir::broker {

class fetch_part {
 public:
  explicit fetch_part(kernel& k) : k_(k) {}

  void submit(const reply_to& to, const model::caller& who, const model::fetch& c);
  // Payload bytes of a log became visible.
  void touched(model::log_id log, std::size_t bytes);
  // A partition of these waiters goes away or changed: they look again and answer at once.
  void wake_all(std::vector<std::uint64_t> waiters);
  // Answers the fetches that touched() and wake_all() made ready. After a group of them.
  void answer_ready();
  // Answers at once with what there is: somebody else has already enough (gathering over reactors).
  void hurry(const reply_sink* sink, std::uint64_t owner);
  // A part's next share: it reports at once if it has that already, else when it has.
  void set_share(const reply_sink* sink, std::uint64_t owner, std::size_t bytes);
  // The session is gone: its waiting fetches are dropped.
  void drop(const reply_sink* sink, std::uint64_t owner);
  // After a fence: everything that waits is answered storage_failed.
  void fail_all();
  void stop();

 private:
  // One partition of a fetch.
  struct part {
    model::log_id log{};  // 0: there is an error, or nothing to read ever
    model::offset from{};
    std::size_t most = 0;      // payload bytes for this partition
    std::size_t reserved = 0;  // of the total, while its read is under way
    bool readable = false;     // there is something below the high watermark
    bool held_back = false;    // not read, or not sure of its first entry, because of the others
    bool by_id = false;
  };
  struct job {
    std::uint64_t number = 0;
    reply_to to;
    model::fetched out;
    std::vector<part> parts;
    std::size_t bytes_max = 0;  // of the whole answer
    std::size_t budget = 0;     // of it, not given or reserved yet
    std::size_t got = 0;
    std::size_t wanted = 0;   // bytes_min
    std::size_t arrived = 0;  // readable bytes known of, while it waits
    std::size_t share = 0;    // reports when it has so many; 0: not before it is told
    std::size_t reads = 0;    // under way
    std::size_t next = 0;     // the part to read next
    mono_ns until{};
    timer_id timer{};
    bool second_pass = false;  // parts one by one, each with one entry whatever its size, until there is one
    bool issuing = false;
    bool urgent = false;   // an error, a limit that was hit, or its time is up: answer whatever there is
    bool refused = false;  // the store was too busy to read something
    bool waiting = false;
    bool queued = false;   // in ready_
    bool reports = false;  // what brought it there is its share alone
    bool slept = false;    // a read came back later: the logs may have moved meanwhile
  };

  void check(const model::caller& who, const model::fetch& c, std::size_t index, part& p,
             model::fetched::item& out) const;
  // `out` has the marks already.
  [[nodiscard]] bool diverged(const partition& p, const model::fetch::item& in, model::fetched::item& out) const;
  void show(const partition& p, const model::log_info& log, model::fetched::item& out) const;
  // Starts over with the logs as they are now.
  void rerun(std::uint64_t number);
  void refresh(part& p, model::fetched::item& out) const;
  // Reads until everything is issued; complete() goes on when the last read comes back.
  void pump(std::uint64_t number);
  void issue(job& j, std::size_t index);
  void complete(std::uint64_t number, std::size_t index, result<model::read_batch>&& r);
  // Whether something that could be read found no room.
  [[nodiscard]] static bool held_back(const job& j);
  // Everything was read: answer, read once more, or wait.
  void decide(job& j);
  [[nodiscard]] bool moved(const job& j) const;
  void begin_wait(job& j);
  void end_wait(job& j);
  void arm(job& j, mono_ns when);
  void finish(job& j);
  void report(job& j);
  [[nodiscard]] job* find_part(const reply_sink* sink, std::uint64_t owner);
  [[nodiscard]] job* find(std::uint64_t number);

  kernel& k_;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<job>> jobs_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> by_owner_;  // owner -> waiting jobs
  std::vector<std::uint64_t> ready_;
  // Jobs that are parts of a fetch, from submit to finish: each reactor has at most one of a fetch.
  std::map<std::pair<const reply_sink*, std::uint64_t>, std::uint64_t> parts_of_others_;
  std::size_t waiting_parts_ = 0;  // partitions in the waiting jobs
};

}  // namespace weir::broker
