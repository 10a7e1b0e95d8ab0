#include "storage/space_reserve.h"

namespace weir::storage {

namespace {
constexpr const char* name = "reserve";
constexpr std::uint64_t worth_bytes = 64U << 10;  // a smaller one helps nobody
}  // namespace

space_reserve::space_reserve(platform::disk& disk, const store_options& options)
    : disk_(disk), options_(options), alive_(std::make_shared<space_reserve*>(this)) {}

void space_reserve::look() {
  const auto f = disk_.open(name, {});
  bytes_ = f ? (*f)->size() : 0;
}

bool space_reserve::give_up_now() {
  if (bytes_ == 0 || !disk_.unlink_now(name)) return false;
  bytes_ = 0;
  return true;
}

bool space_reserve::give_up() {
  if (bytes_ == 0 || busy_) return false;
  busy_ = true;
  disk_.unlink(name, [this, alive = std::weak_ptr(alive_)](const result<void>& outcome) {
    if (alive.expired()) return;
    busy_ = false;
    if (outcome || outcome.error().code == errc::not_found) bytes_ = 0;
  });
  return true;
}

void space_reserve::keep() {
  if (busy_ || bytes_ >= options_.reserve_bytes) return;
  busy_ = true;
  grow(options_.reserve_bytes);
}

// Half of it is better than nothing.
void space_reserve::grow(std::uint64_t to) {
  auto f = disk_.open(name, {.create = true});
  if (!f || to <= bytes_ || to < worth_bytes) {
    busy_ = false;
    return;
  }
  (*f)->allocate(to, [this, alive = std::weak_ptr(alive_), handle = *f, to](const result<void>& outcome) {
    if (alive.expired()) return;
    if (!outcome && outcome.error().code == errc::no_space) return grow(to / 2);
    if (outcome) bytes_ = to;
    // Its name is made durable by the next start, which syncs the folder: a sync of it here could fail beside the manifest's
    // and lose that one's new name.
    handle->sync([this, alive, handle](const result<void>&) {
      if (!alive.expired()) busy_ = false;
    });
  });
}

}  // namespace weir::storage
