// Produce: checks entries, gives them their place, appends one record per touched shard, answers when it is on disk.
//
// A command that touches async topics alone (durability_level) is answered when it is appended, as soon as what it looked
// at, the topics and their levels, is on disk. One item of another level makes the whole command wait.
// Order: commands are taken in the order of submit. When the store has no room, commands wait here in that order, copied
// and bounded, and the publishing sessions are told to pause; nobody overtakes. Owner thread: the core's reactor.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "broker/kernel.h"
#include "broker/owned_command.h"
#include "broker/refused_producers.h"

namespace weir::broker {

class producer_part {
 public:
  // `pressure` hears when commands begin to wait and when none waits any more, `shown` that there are new entries which
  // readers may have already (kernel::take_shown); it must not call into the core before it returns.
  producer_part(kernel& k, std::function<void(bool)> pressure, std::function<void()> shown)
      : k_(k), pressure_(std::move(pressure)), shown_(std::move(shown)) {}

  void submit(const reply_to& to, const model::caller& who, const model::produce& c);
  // Room in the store again, or none ever again: the waiting commands are run or refused.
  void retry();
  // The session of these answers is gone: what waits for room is dropped.
  void drop(const reply_sink* sink, std::uint64_t owner);
  void stop();

 private:
  struct waiting {
    reply_to to;
    std::unique_ptr<owned_command> command;
    mono_ns until{};
    std::size_t bytes = 0;  // of all that this takes
  };
  // An item that passed the checks and waits for its shard's append.
  struct planned {
    std::size_t item;
    model::offset base;
    model::log_id log;
    model::producer_facts producer;
  };
  // What goes into one record.
  struct batch {
    std::uint64_t number = 0;  // no two batches have the same
    model::new_record record;
    std::vector<planned> items;
    std::vector<byte_vector> made;  // entries that were compressed anew
    std::size_t bytes = 0;
    bool idempotent = false;
    bool waits = false;  // an entry's topic is not async: the answer waits for this record
  };

  void run(const reply_to& to, const model::caller& who, const model::produce& c);
  void plan(const model::caller& who, const model::produce& c, std::size_t index, model::produced& out);
  [[nodiscard]] bool acceptable(const model::produce& c, const model::produce::item& in, const topic& t,
                                const model::entry_format& format, model::entry_facts& facts,
                                model::produced::item& out) const;
  [[nodiscard]] bool timely(const topic_settings& rules, const model::entry_facts& facts,
                            model::produced::item& out) const;
  // Makes of `entry` what the topic's compression.type wants, in `made` when that is not what the producer sent. False:
  // refused.
  [[nodiscard]] bool compressed(const topic_settings& rules, const model::entry_format& format, byte_vector& made,
                                bytes& entry, model::entry_facts& facts, model::produced::item& out) const;
  // The most that one entry may have, with these rules.
  [[nodiscard]] std::size_t most_bytes(const topic_settings& rules) const;
  [[nodiscard]] bool small_enough(const topic_settings& rules, bytes entry, model::produced::item& out) const;
  // False when the answer is decided: a duplicate, or refused.
  [[nodiscard]] bool in_sequence(const partition& p, const model::producer_facts& facts, model::produced::item& out);
  void remember_refused(const partition& p, const model::producer_facts& facts, std::int64_t now_ms);
  void explain_missing_keys(const model::entry_format& format, bytes entry, model::produced::item& out) const;
  // The answer tells of the record `own`: it waits for that, or when it is of async topics alone for what made them so.
  void observe(bool async, model::ticket own);
  void flush(batch& b, model::produced& out);
  void flush_all(model::produced& out);
  void wait(const reply_to& to, const model::caller& who, const model::produce& c);
  // After what waits has changed: tells of it, each change once, whatever the sinks submitted meanwhile.
  void tell_pressure();
  // Refuses the whole command for now; its producers may come back with it.
  void refuse(const reply_to& to, const model::caller& who, const model::produce& c, model::refusal why);
  void expire_waiting();
  void arm();

  kernel& k_;
  std::function<void(bool)> pressure_;
  std::function<void()> shown_;
  std::deque<waiting> waiting_;
  refused_producers refused_;
  std::size_t waiting_bytes_ = 0;
  bool draining_ = false;
  bool pressing_ = false;  // as it was told last
  timer_id timer_{};
  // Reused from command to command.
  std::vector<batch> batches_;  // by shard of this reactor
  std::uint64_t last_batch_ = 0;
  std::vector<std::array<std::byte, model::entry_format::stamp_bytes_max>> heads_;
  std::int64_t now_ms_ = 0;
  bool begun_ = false;  // a record of this command is written: the others may use the reserve, so that none is left out
  model::ticket observed_{};  // what the command's answer waits for
};

}  // namespace weir::broker
