#include "protocol/kafka/session.h"

#include "base/assert.h"
#include "protocol/kafka/gen/cluster.h"

namespace weir::kafka {

namespace {

constexpr std::size_t length_bytes = 4;
constexpr std::size_t header_bytes_min = 8;  // key, version, correlation id

// An address of the loopback range, or a Unix socket; a proxy in between would show itself as the peer.
bool is_loopback(const protocol::endpoint& e) { return e.host.starts_with("127.") || e.host == "::1" || e.port == 0; }

model::caller caller_of(const protocol::session_host& host) {
  model::caller who;
  who.host = host.peer().host;
  who.loopback = is_loopback(host.peer());
  who.principal = who.loopback ? "loopback" : "anonymous";
  return who;
}

}  // namespace

session::session(protocol::session_host& host, model::broker_port& broker, const session_options& options)
    : host_(host),
      broker_(broker),
      options_(options),
      fetches_(options.fetch_sessions_max, options.fetch_session_partitions_max) {
  id_ = broker_.attach(*this, caller_of(host));
  attached_ = true;
}

session::~session() { on_closed(); }

void session::on_closed() {
  if (!attached_) return;
  attached_ = false;
  broker_.detach(id_);
  // Who came over loopback and was told the loopback address that it dialled only wanted to look.
  const bool obvious = is_loopback(host_.peer()) && !options_.advertised;
  if (options_.watch != nullptr && asked_metadata_ && !did_work_ && !obvious)
    options_.watch->on_bootstrap_only(host_.peer().host, address(), last_input_);
}

const protocol::endpoint& session::address() const {
  return options_.advertised ? *options_.advertised : host_.local();
}

void session::set_software(std::string_view name, std::string_view version) {
  software_.assign(name).append(" ").append(version);
}

std::string session::describe() const { return software_; }

bool session::must_stall(api_key key) const {
  if (ending_ || slots_.size() >= options_.requests_in_works_max) return true;
  if (key == api_key::produce) return paused_ || others_in_works_ != 0;
  return !slots_.empty();
}

bool session::wants_read() const { return !stalled_ && !ending_ && host_.unsent() < protocol::output_high_bytes; }

std::size_t session::whole_frame(bytes in) {
  needed_ = 0;
  if (in.size() < length_bytes) return 0;
  const auto length = load_be<std::int32_t>(in.data());
  if (length < static_cast<std::int32_t>(header_bytes_min)) {
    hang_up("a request of " + std::to_string(length) +
            " bytes is no Kafka request (is this client speaking another protocol?)");
    return 0;
  }
  if (static_cast<std::uint32_t>(length) > options_.request_bytes_max) {
    hang_up("a request of " + std::to_string(length) + " bytes is over the limit of " +
            std::to_string(options_.request_bytes_max) + " (limits.request_bytes)");
    return 0;
  }
  const std::size_t total = length_bytes + static_cast<std::size_t>(length);
  if (in.size() < total) {
    needed_ = total;
    return 0;
  }
  return total;
}

std::size_t session::on_bytes(bytes in, mono_ns now) {
  in_input_ = true;
  last_input_ = now;
  std::size_t used = 0;
  while (!ending_) {
    const bytes rest = in.subspan(used);
    const std::size_t total = whole_frame(rest);
    if (total == 0) break;
    const auto key = static_cast<api_key>(load_be<std::int16_t>(rest.data() + length_bytes));
    // Not a stall: it ends with the sending, of which nobody has to tell.
    if (host_.unsent() >= protocol::output_high_bytes) break;
    stalled_ = must_stall(key);
    if (stalled_) break;
    on_frame(rest.subspan(length_bytes, total - length_bytes));
    used += total;
  }
  in_input_ = false;
  return used;
}

void session::on_frame(bytes frame) {
  const auto header = decode_request_header(frame);
  if (!header) return hang_up("request header: " + header.error().describe());
  if (!header->supported) return on_unsupported(*header);
  const inbound q{.key = static_cast<api_key>(header->key),
                  .version = header->version,
                  .correlation_id = header->correlation_id,
                  .client_id = header->client_id.value_or(std::string_view{}),
                  .body = header->body};
  const handler h = handler_of(q.key);
  if (h == nullptr) return hang_up(std::string(info_of(q.key).name) + " is not served by this broker");
  asked_metadata_ |= q.key == api_key::metadata;
  if (!did_work_ && q.key != api_key::metadata && q.key != api_key::api_versions) {
    did_work_ = true;
    if (options_.watch != nullptr) options_.watch->on_work(host_.peer().host);
  }
  h(*this, q);
  current_ = nullptr;
  flush();
}

// KIP-511: a client that asks ApiVersions in a version that we do not know gets a version 0 answer with the
// range that we do know. Everything else that is unknown ends the connection: there is no answer that the
// client could read.
void session::on_unsupported(const request_header& h) {
  if (static_cast<api_key>(h.key) != api_key::api_versions) {
    return hang_up("request key " + std::to_string(h.key) + " version " + std::to_string(h.version) +
                   " is not supported");
  }
  const inbound q{.key = api_key::api_versions, .version = 0, .correlation_id = h.correlation_id};
  api_versions_response response;
  response.error_code = error_code::unsupported_version;
  const api_info& info = info_of(api_key::api_versions);
  response.api_keys.push_back({static_cast<std::int16_t>(info.key), info.advertise, info.max});
  answer(q, response);
  current_ = nullptr;
  flush();
}

session::slot& session::open_slot(const inbound& q) {
  slot& s = slots_.emplace_back();
  s.request = q;
  s.request.client_id = {};
  s.request.body = {};
  if (q.key != api_key::produce) ++others_in_works_;
  return s;
}

void session::ask(const inbound& q, model::command&& c, finish done) {
  const std::uint64_t number = first_slot_ + slots_.size();
  open_slot(q).done = std::move(done);
  broker_.submit(id_, model::token(number), std::move(c));
}

void session::ask_all(const inbound& q, std::vector<model::command>&& commands, finish_all done) {
  WEIR_ASSERT(!commands.empty());
  const std::uint64_t number = first_slot_ + slots_.size();
  slot& s = open_slot(q);
  s.done_all = std::move(done);
  s.parts.resize(commands.size());
  s.parts_missing = commands.size();
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::uint64_t part = part_bit | next_part_++;
    parts_.emplace(part, part_of{number, i});
    broker_.submit(id_, model::token(part), std::move(commands[i]));
  }
}

void session::take_part(std::uint64_t part, model::event&& e) {
  const auto it = parts_.find(part);
  WEIR_ASSERT(it != parts_.end());
  slot& s = slots_[it->second.slot - first_slot_];
  s.parts[it->second.index] = std::move(e);
  if (--s.parts_missing == 0) s.state = slot_state::arrived;
  parts_.erase(it);
}

void session::tell(model::command&& c) { broker_.submit(id_, model::token(quiet_bit | next_quiet_++), std::move(c)); }

// Inside a finish the head of the queue is answered: straight into out(). A handler's immediate answer goes
// there too when nothing waits before it, else it is kept in a slot of its own.
protocol::output& session::target_for(const inbound& q) {
  if (current_ != nullptr || slots_.empty()) return out();
  slot& s = open_slot(q);
  s.state = slot_state::encoded;
  return s.early;
}

void session::on_event(model::token t, model::event&& e) {
  if ((t.raw() & quiet_bit) != 0) {
    hang_up("a produce without acknowledgement failed");
  } else if ((t.raw() & part_bit) != 0) {
    take_part(t.raw(), std::move(e));
  } else {
    WEIR_ASSERT(t.raw() >= first_slot_ && t.raw() - first_slot_ < slots_.size());
    slot& s = slots_[t.raw() - first_slot_];
    WEIR_ASSERT(s.state == slot_state::waiting);
    s.event = std::move(e);
    s.state = slot_state::arrived;
  }
  if (in_input_) return;  // on_bytes flushes after each frame
  if (slots_.empty() || slots_.front().state != slot_state::waiting) {
    flush();
    host_.wake();
  }
}

void session::on_pressure(bool paused) {
  paused_ = paused;
  if (!paused && stalled_) {
    stalled_ = false;
    host_.wake();
  }
}

void session::flush() {
  while (!slots_.empty() && slots_.front().state != slot_state::waiting) {
    slot& s = slots_.front();
    if (s.state == slot_state::arrived) {
      current_ = &s;
      if (s.done_all)
        s.done_all(*this, s.request, std::move(s.parts));
      else
        s.done(*this, s.request, std::move(s.event));
      current_ = nullptr;
    } else {
      out().append_all(s.early);
    }
    if (s.request.key != api_key::produce) --others_in_works_;
    slots_.pop_front();
    ++first_slot_;
    stalled_ = false;
  }
  if (ending_) end_when_answered();
}

void session::end_when_answered() {
  if (hang_up_ || !slots_.empty()) return;
  hang_up_ = true;
  if (!in_input_) host_.wake();
}

// A request that has no answer of its own must not swallow the answers of those before it.
void session::hang_up(std::string why) {
  if (ending_) return;
  ending_ = true;
  reason_ = std::move(why);
  end_when_answered();
}

}  // namespace weir::kafka
