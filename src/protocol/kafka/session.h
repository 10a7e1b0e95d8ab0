// The Kafka session: frames in, commands to the core, answers out, strictly in the order of the requests.
//
// As in Kafka, a request sees the effects of all that came before it on its connection: it starts when those were
// answered. Only produces run side by side, so that pipelined ones share a WAL write; the core keeps their order. An
// answer that is ready before its turn is kept as the core's event and encoded then: memory holds each answer once.
// Owner thread: the connection's reactor. Source: Kafka protocol guide, KIP-35 (versions), KIP-227 (fetch sessions).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/broker_port.h"
#include "protocol/common/session.h"
#include "protocol/kafka/bootstrap_watch.h"
#include "protocol/kafka/codec.h"
#include "protocol/kafka/fetch_session.h"
#include "protocol/kafka/repeated_names.h"

namespace weir::kafka {

struct session_options {
  std::uint32_t request_bytes_max = 100U << 20;
  std::size_t requests_in_works_max = 1024;
  std::optional<protocol::endpoint> advertised;  // nullopt: the address that the client dialled
  std::string rack;
  std::size_t fetch_sessions_max = 8;                  // per connection
  std::size_t fetch_session_partitions_max = 250'000;  // in all of them
  std::int32_t fetch_bytes_max = 55 << 20;
  bootstrap_watch* watch = nullptr;  // of this reactor; may be absent
  bool auto_create = true;           // what Metadata asks for on behalf of its clients (the core decides)
};

// One request as the dispatcher hands it to its handler. Views live until the handler returns.
struct inbound {
  api_key key{};
  std::int16_t version = 0;
  std::int32_t correlation_id = 0;
  std::string_view client_id;
  bytes body;
};

class session;

// Turns the core's event into the answer; called once, when the answer's turn has come, unless the connection
// closed.
using finish = std::function<void(session&, const inbound&, model::event&&)>;
// The same for a request that became several commands; the events are in the order of the commands.
using finish_all = std::function<void(session&, const inbound&, std::vector<model::event>&&)>;

class session final : public protocol::session, private model::event_sink {
 public:
  session(protocol::session_host& host, model::broker_port& broker, const session_options& options);
  ~session() override;

  std::size_t on_bytes(bytes in, mono_ns now) override;
  void on_closed() override;
  [[nodiscard]] bool wants_close() const override { return hang_up_; }
  [[nodiscard]] std::string close_reason() const override { return reason_; }
  [[nodiscard]] bool wants_read() const override;
  [[nodiscard]] std::size_t needed() const override { return needed_; }
  [[nodiscard]] bool idle() const override { return slots_.empty(); }
  [[nodiscard]] std::string describe() const override;

  // --- for the handlers in api_*.cc

  // Sends the command; `done` gets its event. `quiet`: no answer at all unless the core reports a failure,
  // which then closes the connection (produce with acks 0).
  void ask(const inbound& q, model::command&& c, finish done);
  void tell(model::command&& c);

  void ask_all(const inbound& q, std::vector<model::command>&& commands, finish_all done);

  // Answers the request. From a handler: at once or when its turn comes. From a finish: now.
  template<class R>
  void answer(const inbound& q, const R& response) {
    encode_response(response, q.version, q.correlation_id, target_for(q));
  }
  // Ends the connection when the requests before this one are answered; `why` is for the log.
  void hang_up(std::string why);

  // Decodes the body; a damaged one ends the connection, as Kafka does, and gives nullopt.
  template<class R>
  [[nodiscard]] std::optional<R> read(const inbound& q) {
    auto m = decode_leading<R>(q.body, q.version);
    const bool fits = m && repeated_name_bytes(*m) <= decoded_bytes_max;
    if (fits) return std::move(*m);
    const std::string why = m ? "the names of its topics are too long for so many partitions" : m.error().describe();
    hang_up(std::string(info_of(q.key).name) + " v" + std::to_string(q.version) + ": " + why);
    return std::nullopt;
  }

  [[nodiscard]] const session_options& options() const { return options_; }
  [[nodiscard]] const model::broker_port::node_info& node() const { return broker_.node(); }
  // Where clients shall reach this node.
  [[nodiscard]] const protocol::endpoint& address() const;
  [[nodiscard]] fetch_sessions& fetches() { return fetches_; }
  void set_software(std::string_view name, std::string_view version);

 private:
  enum class slot_state : std::uint8_t { waiting, arrived, encoded };
  struct slot {
    inbound request;  // its views are cleared
    slot_state state = slot_state::waiting;
    finish done;
    model::event event;
    finish_all done_all;              // of ask_all, with
    std::vector<model::event> parts;  // its events so far and
    std::size_t parts_missing = 0;    // how many are still to come
    protocol::output early;           // an immediate answer that is not at the head
  };

  void on_event(model::token t, model::event&& e) override;
  void on_pressure(bool paused) override;

  // Bytes of the frame at the start of `in` when it is whole and may start now; 0: not yet; hangs up on bad
  // lengths.
  [[nodiscard]] std::size_t whole_frame(bytes in);
  void on_frame(bytes frame);
  void on_unsupported(const request_header& h);
  [[nodiscard]] bool must_stall(api_key key) const;
  [[nodiscard]] protocol::output& target_for(const inbound& q);
  slot& open_slot(const inbound& q);
  void flush();
  void end_when_answered();

  void take_part(std::uint64_t part, model::event&& e);

  // Tokens: the number of a slot, or with one of these bits something else.
  static constexpr std::uint64_t quiet_bit = std::uint64_t{1} << 63;
  static constexpr std::uint64_t part_bit = std::uint64_t{1} << 62;
  struct part_of {
    std::uint64_t slot = 0;
    std::size_t index = 0;
  };

  protocol::session_host& host_;
  model::broker_port& broker_;
  const session_options& options_;
  model::session_id id_{};
  bool attached_ = false;
  std::deque<slot> slots_;
  std::uint64_t first_slot_ = 0;  // number of slots_.front()
  std::uint64_t next_quiet_ = 0;
  std::unordered_map<std::uint64_t, part_of> parts_;  // outstanding commands of ask_all
  std::uint64_t next_part_ = 0;
  slot* current_ = nullptr;          // the slot whose handler or finish runs
  std::size_t others_in_works_ = 0;  // slots that are no produces
  std::size_t needed_ = 0;
  bool in_input_ = false;
  bool stalled_ = false;
  bool paused_ = false;
  bool hang_up_ = false;
  bool ending_ = false;    // takes no more requests, and hangs up when what is in the works was answered
  bool did_work_ = false;  // more than asking who is there
  bool asked_metadata_ = false;
  mono_ns last_input_{};
  std::string reason_;
  std::string software_;
  fetch_sessions fetches_;
};

// Handlers, one per API, in api_*.cc. Each either answers, asks the core, or hangs up.
using handler = void (*)(session&, const inbound&);
// nullptr for what the codec knows but this broker does not serve.
[[nodiscard]] handler handler_of(api_key key);

}  // namespace weir::kafka
