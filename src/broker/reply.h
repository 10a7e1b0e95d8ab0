// Where an answer goes, and the queue of answers that wait for the disk.
//
// Owner thread: the core's reactor. A sink outlives the answers that name it; it drops what nobody waits for any more.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <variant>

#include "base/executor.h"
#include "model/commands.h"
#include "model/ids.h"

namespace weir::broker {

struct reply_to;

class reply_sink {
 public:
  reply_sink() = default;
  reply_sink(const reply_sink&) = delete;
  reply_sink& operator=(const reply_sink&) = delete;
  virtual ~reply_sink() = default;
  // May call back into the core before it returns.
  virtual void reply(const reply_to& to, model::event&& e) = 0;
  // A part of a fetch has so many bytes now and still waits; only who splits fetches listens.
  virtual void progress(const reply_to& /*to*/, std::size_t /*bytes*/) {}
};

// The two numbers are the sink's own: session and token, or gathering and part. `owner` groups what is dropped together.
struct reply_to {
  reply_sink* sink = nullptr;
  std::uint64_t owner = 0;
  std::uint64_t token = 0;

  void operator()(model::event&& e) const { sink->reply(*this, std::move(e)); }
};

// Puts `why` in place of every success in `e`, and takes out what must not be told then.
void set_refusal(model::event& e, model::refusal why);

// Answers in the order in which they were added. One whose ticket is lower than that of one before it waits for that too:
// both are on their way to the disk, and order costs nothing more than that.
class answer_queue {
 public:
  void add(model::ticket when, const reply_to& to, model::event&& e) { items_.push_back({when, to, std::move(e)}); }
  void add(model::ticket when, task t) { items_.push_back({when, {}, std::move(t)}); }
  // Lets everything go that waited for `durable` or less, one by one: answering may add more.
  void drain(model::ticket durable);
  // After a fence: every answer leaves as `why`, tasks are destroyed unrun.
  void fail(model::refusal why);
  void clear() { items_.clear(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }

 private:
  struct item {
    model::ticket when;
    reply_to to;
    std::variant<model::event, task> what;
  };
  std::deque<item> items_;
};

}  // namespace weir::broker
