#include "server/connection_group.h"

#include <utility>

#include "server/connection.h"

namespace weir::server {

void connection_place::give_back() {
  if (census_ != nullptr) std::exchange(census_, nullptr)->leave(address_);
}

result<connection_place> connection_census::enter(const std::string& address) {
  if (now_.fetch_add(1, std::memory_order_relaxed) >= max_) {
    now_.fetch_sub(1, std::memory_order_relaxed);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return fault(errc::busy, fmt::format("{} = {} is reached", limit_, max_));
  }
  if (per_address_ > 0) {
    const std::lock_guard lock(mutex_);
    std::int64_t& n = by_address_[address];
    if (n >= per_address_) {
      now_.fetch_sub(1, std::memory_order_relaxed);
      refused_.fetch_add(1, std::memory_order_relaxed);
      return fault(errc::busy, fmt::format("limits.connections_per_address = {} is reached", per_address_));
    }
    ++n;
  }
  accepted_.fetch_add(1, std::memory_order_relaxed);
  return connection_place(*this, address);
}

void connection_census::leave(const std::string& address) {
  now_.fetch_sub(1, std::memory_order_relaxed);
  if (per_address_ == 0) return;
  const std::lock_guard lock(mutex_);
  const auto it = by_address_.find(address);
  if (it != by_address_.end() && --it->second <= 0) by_address_.erase(it);
}

connection_group::connection_group(platform::reactor& owner, connection_numbers& numbers,
                                   const connection_limits& limits)
    : owner_(owner),
      numbers_(numbers),
      limits_(limits),
      receiving_(static_cast<std::size_t>(limits.receive_bytes), [this](std::uint64_t id) { call(id); }),
      scratch_(new std::byte[scratch_bytes]),  // tidy-allow(new): unique_ptr of bytes that need no zeroing
      alive_(std::make_shared<connection_group*>(this)) {
  owner_.add_turn_hook([alive = alive_] { return *alive != nullptr && (*alive)->flush_dirty(); });
}

connection_group::~connection_group() {
  close_all();
  *alive_ = nullptr;
}

void connection_group::adopt(new_connection&& c, const protocol::session_factory& make) {
  const std::uint64_t id = numbers_.next();
  auto made = std::make_shared<connection>(*this, std::move(c), id);
  if (!made->start(make)) return;
  all_.emplace(id, std::move(made));
  schedule_sweep();
}

void connection_group::close_all() {
  std::vector<std::shared_ptr<connection>> closing;
  for (const auto& [id, c] : all_) closing.push_back(c);
  const mono_ns at = now();
  for (const auto& c : closing) {
    (void)c->flush(at);
    c->close("");
  }
  dirty_.clear();
}

std::vector<connection_info> connection_group::list(std::size_t max) const {
  std::vector<connection_info> out;
  const mono_ns at = now();
  for (const auto& [id, c] : all_) {
    if (out.size() == max) break;
    out.push_back(c->info(at));
  }
  return out;
}

std::size_t connection_group::buffered_bytes() const {
  std::size_t sum = scratch_bytes;
  for (const auto& [id, c] : all_) sum += c->buffered_bytes();
  return sum;
}

void connection_group::call(std::uint64_t id) {
  const auto at = all_.find(id);
  if (at != all_.end()) mark_dirty(*at->second);
}

void connection_group::mark_dirty(connection& c) {
  if (std::exchange(c.dirty, true)) return;
  dirty_.push_back(c.shared_from_this());
}

void connection_group::remove(connection& c) { all_.erase(c.connection_id()); }

bool connection_group::flush_dirty() {
  if (dirty_.empty()) return false;
  flushing_.swap(dirty_);
  const mono_ns at = now();
  for (const auto& c : flushing_) {
    c->dirty = false;
    if (c->flush(at)) mark_dirty(*c);
  }
  flushing_.clear();
  return true;
}

void connection_group::schedule_sweep() {
  if (sweeping_ || all_.empty()) return;
  sweeping_ = true;
  owner_.at(now() + sweep_ns, [alive = alive_] {
    if (*alive != nullptr) (*alive)->sweep();
  });
}

void connection_group::sweep() {
  sweeping_ = false;
  const mono_ns at = now();
  std::vector<std::shared_ptr<connection>> every;
  every.reserve(all_.size());
  for (const auto& [id, c] : all_) every.push_back(c);
  for (const auto& c : every) c->check(at);
  schedule_sweep();
}

}  // namespace weir::server
