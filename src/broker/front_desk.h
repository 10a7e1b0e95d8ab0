// The broker port of one reactor: knows its sessions, sends each command to the reactors that own what it names, and
// gathers their answers into one event.
//
// With one reactor a command goes straight to the core. With several, the parts for other reactors are copied and sent
// through executor::send; answers come back the same way, their bytes copied too, because the memory of a store belongs
// to its reactor. Owner thread: the reactor.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/groups/coordinator.h"
#include "broker/kernel.h"
#include "broker/session_numbers.h"
#include "model/broker_port.h"

namespace weir::broker {

struct owned_command;
class fetch_part;

// Answers that go to another reactor: `owner` is {reactor, gathering} packed, `token` the part.
class remote_desk final : public reply_sink {
 public:
  explicit remote_desk(core_parts& parts) : parts_(parts) {}
  void reply(const reply_to& to, model::event&& e) override;
  void progress(const reply_to& to, std::size_t bytes) override;
  [[nodiscard]] static std::uint64_t pack(std::uint32_t reactor, std::uint64_t gathering) {
    return (std::uint64_t{reactor} << 48) | gathering;
  }

 private:
  core_parts& parts_;
};

class front_desk final : public model::broker_port, public reply_sink {
 public:
  explicit front_desk(core_parts& parts);
  ~front_desk() override;

  [[nodiscard]] model::session_id attach(model::event_sink& sink, const model::caller& who) override;
  void detach(model::session_id s) override;
  void submit(model::session_id s, model::token t, model::command&& c) override;
  [[nodiscard]] const node_info& node() const override { return node_; }

  // reply_sink: owner is the session, token the command's.
  void reply(const reply_to& to, model::event&& e) override;
  // A part of a gathering.
  void gathered(std::uint64_t gathering, std::uint64_t part, model::event&& e);
  // A part of a fetch waits and has so many bytes. When all parts together have the fetch's least size they are hurried;
  // else each gets the same share of what is missing, so that none can hold back enough for it.
  void part_has(std::uint64_t gathering, std::uint64_t part, std::size_t bytes);
  // A reactor's store has no room for bulk data, or has again.
  void pressure(bool paused);
  // A copy that this desk sent to another reactor was handled and is gone.
  void part_arrived();
  // What the copies that are on their way to other reactors take. Past limits.forwarded_bytes publishing sessions pause.
  [[nodiscard]] std::size_t forwarded_bytes() const { return forwarded_->load(std::memory_order_relaxed); }
  // Commands in parts whose answers are not together yet.
  [[nodiscard]] std::size_t gatherings() const { return gatherings_.size(); }
  void open() { serving_ = true; }
  void stop();

 private:
  struct session {
    model::event_sink* sink = nullptr;
    std::shared_ptr<const model::caller> who;  // shared: a command may outlive its session
    std::uint64_t number = 0;
    bool publishes = false;
    bool paused = false;
  };
  // A command in parts, one per reactor that has something of it.
  struct gathering {
    std::uint64_t session = 0;
    std::uint64_t token = 0;
    model::event out;
    std::vector<std::vector<std::size_t>> places;  // of each part's items in the whole; empty: it is the whole
    std::vector<std::uint32_t> reactors;           // of each part
    std::size_t open = 0;
    std::int64_t bytes_max = 0;  // this and the next two: fetch only
    std::int64_t bytes_min = 0;
    std::vector<std::size_t> have;  // of each part, as it said last
    bool hurried = false;
    bool only_failures = false;  // a produce without acknowledgement: its session hears of it only if a part failed
  };
  class gather_sink final : public reply_sink {
   public:
    explicit gather_sink(front_desk& desk) : desk_(desk) {}
    void reply(const reply_to& to, model::event&& e) override { desk_.gathered(to.owner, to.token, std::move(e)); }
    void progress(const reply_to& to, std::size_t bytes) override;

   private:
    front_desk& desk_;
  };

  [[nodiscard]] session* find(std::uint64_t id);
  [[nodiscard]] waiter_id waiter(std::uint64_t id) const;
  void set_paused(session& s, bool paused);
  void route(std::uint64_t id, const model::caller& who, std::uint64_t token, model::command& c);
  void forward(std::uint64_t id, const model::caller& who, std::uint64_t token, std::uint32_t reactor,
               model::command& c);
  void broadcast(std::uint64_t id, const model::caller& who, std::uint64_t token, model::command& c,
                 model::event shell);
  template<class Command, class Event>
  void split(std::uint64_t id, const model::caller& who, std::uint64_t token, Command& c, Event shell,
             const std::function<std::uint32_t(std::size_t)>& owner);
  [[nodiscard]] std::uint32_t owner_of(const model::caller& who, const model::topic_ref& t, std::int32_t index) const;
  [[nodiscard]] std::uint32_t owner_of(const model::caller& who, std::string_view group) const;
  [[nodiscard]] std::uint64_t open_gathering(std::uint64_t id, std::uint64_t token, model::event&& shell,
                                             std::vector<std::uint32_t> reactors,
                                             std::vector<std::vector<std::size_t>> places);
  void send_part(std::uint64_t gathering, std::size_t part, std::uint32_t reactor, const model::caller& who,
                 std::uint64_t id, const model::command& c);
  // Runs it on the reactor of each part but `but`, with the sink and owner that the part was sent with; never at once.
  using for_part = std::function<void(fetch_part&, const reply_sink*, std::uint64_t owner, std::size_t part)>;
  void tell_parts(std::uint64_t number, const gathering& g, std::size_t but, const for_part& what);
  void hurry_others(std::uint64_t gathering, const struct gathering& g, std::size_t but);
  void drop_gatherings(std::uint64_t id);

  core_parts& parts_;
  node_info node_;
  session_numbers numbers_;
  std::vector<session> sessions_;  // by the slot in their numbers
  std::unordered_map<std::uint64_t, gathering> gatherings_;
  std::uint64_t last_gathering_ = 0;
  gather_sink gather_sink_;
  std::uint32_t pressing_ = 0;  // reactors without room, and this one while too much is under way
  // Grows here, shrinks where the copies end.
  std::shared_ptr<std::atomic<std::size_t>> forwarded_ = std::make_shared<std::atomic<std::size_t>>(0);
  // Read by other reactors: whether this one wants to hear of copies that are gone.
  std::shared_ptr<std::atomic<bool>> crowded_ = std::make_shared<std::atomic<bool>>(false);
  bool serving_ = false;
  bool stopped_ = false;
};

}  // namespace weir::broker
