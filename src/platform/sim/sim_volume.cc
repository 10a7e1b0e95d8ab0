// The volume's crash points, faults and asynchronous operations. Content: sim_content.cc; names:
// sim_names.cc.
#include "platform/sim/sim_volume.h"

#include <algorithm>
#include <cctype>

#include "base/assert.h"

namespace weir::platform::sim {

namespace {

constexpr std::uint32_t durable_writes_max = 4;

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

}  // namespace

const char* to_string(op_kind kind) noexcept {
  switch (kind) {
    case op_kind::write:
      return "write";
    case op_kind::durable_write:
      return "durable_write";
    case op_kind::sync:
      return "sync";
    case op_kind::allocate:
      return "allocate";
    case op_kind::truncate:
      return "truncate";
    case op_kind::create:
      return "create";
    case op_kind::rename:
      return "rename";
    case op_kind::unlink:
      return "unlink";
    case op_kind::make_folder:
      return "make_folder";
    case op_kind::sync_folder:
      return "sync_folder";
    case op_kind::read:
      return "read";
  }
  return "?";
}

std::string file_class(const std::string& path) {
  std::string out;
  for (std::size_t i = 0; i < path.size();) {
    std::size_t hex = i;
    bool digit = false;
    while (hex < path.size() && is_hex(path[hex])) digit |= is_digit(path[hex++]);
    std::size_t decimal = i;
    while (decimal < path.size() && is_digit(path[decimal])) ++decimal;
    const bool whole_word = hex == path.size() || std::isalnum(static_cast<unsigned char>(path[hex])) == 0;
    if (digit && hex - i >= 4 && whole_word) {
      out += '#';
      i = hex;
    } else if (decimal > i) {
      out += '#';
      i = decimal;
    } else {
      do out += path[i++];
      while (i < path.size() && std::isalnum(static_cast<unsigned char>(path[i - 1])) != 0 && !is_digit(path[i]));
    }
  }
  return out;
}

sim_volume::sim_volume(sim_world& world, volume_options options) : world_(world), options_(options) {}

sim_volume::~sim_volume() = default;

void sim_volume::trace(const char* what, const std::string& path, std::uint64_t a, std::uint64_t b) {
  if (!world_.tracing()) return;
  world_.trace(std::string(what) + " " + path + " " + std::to_string(a) + " " + std::to_string(b));
}

void sim_volume::violation(std::string what) {
  if (world_.tracing()) world_.trace("VIOLATION " + what);
  violations_.push_back(std::move(what));
}

void sim_volume::arm(crash_plan plan) {
  plan_ = std::move(plan);
  matched_ = 0;
}

void sim_volume::cut_power() {
  dead_ = true;
  if (world_.tracing()) world_.trace("POWER CUT");
  world_.stop();
}

void sim_volume::die(const crash_site& where) {
  ++sites_[where].crashed;
  died_at_ = where;
  if (world_.tracing()) world_.trace(std::string("power goes at ") + to_string(where.kind) + " " + where.file_class);
  cut_power();
}

sim_volume::point sim_volume::pass(op_kind kind, const std::string& path) {
  auto [known, added] = class_of_.try_emplace(path);
  if (added) known->second = file_class(path);
  const crash_site here{kind, known->second};
  ++points_;
  ++sites_[here].seen;
  if (plan_.nth == 0 || (plan_.kind && *plan_.kind != kind) ||
      (!plan_.file_class.empty() && plan_.file_class != here.file_class)) {
    return point::go;
  }
  if (++matched_ != plan_.nth) return point::go;
  if (plan_.after) return point::die_after;
  die(here);
  return point::die;
}

bool sim_volume::fault_hits(double rate, op_kind kind, const std::string& path) {
  if (rate <= 0 || (faults.eligible && !faults.eligible(kind, path))) return false;
  return world_.random().chance(rate);
}

std::int64_t sim_volume::draw_latency() {
  auto& random = world_.random();
  std::uint64_t ns = latency.least_ns + random.below(latency.spread_ns + 1);
  if (random.chance(latency.stall)) ns += random.below(latency.stall_ns + 1);
  return static_cast<std::int64_t>(ns * slow_factor);
}

// ---- Asynchronous operations
// --------------------------------------------------------------------------------------

bool sim_volume::overlaps_in_flight(const operation& o) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& other) {
    const operation& w = other.second;
    const bool writes = w.kind == op_kind::write || w.kind == op_kind::durable_write;
    return writes && w.node == o.node && w.pos < o.pos + o.data.size() && o.pos < w.pos + w.data.size();
  });
}

void sim_volume::prepare_write(operation& o) {
  const bool durable = o.kind == op_kind::durable_write;
  bool aligned = o.pos % disk_block_bytes == 0;
  for (const bytes part : o.parts) {
    o.data.insert(o.data.end(), part.begin(), part.end());
    aligned = aligned && part.size() % disk_block_bytes == 0 &&
              reinterpret_cast<std::uintptr_t>(part.data()) % disk_block_bytes == 0;
  }
  if (durable && !aligned) violation("unaligned durable write to " + o.path);
  if (overlaps_in_flight(o)) violation("overlapping writes in flight to " + o.path);
  if (durable && ++o.node->durable_writes_in_flight > durable_writes_max) {
    violation("more than 4 durable writes in flight to " + o.path);
  }
  o.fail = fault_hits(faults.write, o.kind, o.path);
}

void sim_volume::prepare_sync(operation& o) {
  o.length = o.node->cache.size();
  o.order = next_operation_++;
  for (std::size_t b = 0; b < o.node->dirty.size(); ++b) {
    if (!o.node->dirty[b]) continue;
    const std::size_t from = std::min(b * disk_block_bytes, o.node->cache.size());
    const std::size_t to = std::min(from + disk_block_bytes, o.node->cache.size());
    const auto first = o.node->cache.begin();
    o.saved.emplace_back(
        b, byte_vector(first + static_cast<std::ptrdiff_t>(from), first + static_cast<std::ptrdiff_t>(to)));
    o.node->dirty[b] = false;  // written again from here on: dirty again
  }
  o.node->size_dirty = false;
  o.fail = fault_hits(faults.sync, op_kind::sync, o.path);
}

void sim_volume::start(sim_executor& on, operation o) {
  if (dead_) return;  // never completes
  const op_kind kind = o.kind;
  point p = point::go;
  if (kind != op_kind::read) p = pass(kind, o.path);
  if (kind == op_kind::write || kind == op_kind::durable_write) prepare_write(o);
  if (kind == op_kind::sync && p != point::die) prepare_sync(o);
  if (kind == op_kind::sync_folder) prepare_sync_folder(o);
  if (kind == op_kind::read) {
    ++reads_;
    read_bytes_ += o.into.size();
    o.fail = fault_hits(faults.read, kind, o.path);
  }
  if (kind == op_kind::unlink) o.fail = fault_hits(faults.metadata, kind, o.path);
  o.die_after = p == point::die_after;
  trace(to_string(kind), o.path, o.pos, kind == op_kind::read ? o.into.size() : o.data.size());
  const std::uint64_t id = next_operation_++;
  in_flight_.emplace(id, std::move(o));
  if (p == point::die) return;
  (void)on.at(world_.now() + draw_latency(), [this, id] { finish(id); });
}

void sim_volume::finish(std::uint64_t id) {
  if (dead_) return;
  const auto found = in_flight_.find(id);
  WEIR_ASSERT(found != in_flight_.end());
  operation o = std::move(found->second);
  in_flight_.erase(found);
  result<std::size_t> moved = std::size_t{0};
  result<void> done;
  switch (o.kind) {
    case op_kind::write:
    case op_kind::durable_write:
      moved = do_write(o);
      break;
    case op_kind::read:
      moved = do_read(o);
      break;
    case op_kind::sync:
      done = do_sync(o);
      break;
    case op_kind::allocate:
      done = do_allocate(o.node, o.path, o.length);
      break;
    case op_kind::sync_folder:
      done = do_sync_folder(o.path, o.names, o.fail);
      break;
    case op_kind::unlink:
      if (o.fail) {
        ++stats_.other;
        done = fault{errc::io, "injected: unlink " + o.path};
      } else if (!names_.contains(o.path)) {
        done = fault{errc::not_found, o.path};
      } else {
        change_name({op_kind::unlink, o.path, {}, names_.at(o.path), 0}, true);
      }
      break;
    default:
      WEIR_ASSERT(false);
  }
  if (o.die_after) {
    die({o.kind, file_class(o.path)});
    return;
  }
  if (world_.tracing() && o.fail) world_.trace(std::string("FAILED ") + to_string(o.kind) + " " + o.path);
  if (o.io) o.io(std::move(moved));
  if (o.op) o.op(std::move(done));
}

result<std::size_t> sim_volume::do_write(operation& o) {
  const bool durable = o.kind == op_kind::durable_write;
  if (durable) --o.node->durable_writes_in_flight;
  std::size_t at = 0;
  for (const bytes part : o.parts) {
    if (!std::equal(part.begin(), part.end(), o.data.begin() + static_cast<std::ptrdiff_t>(at))) {
      violation("memory changed while it was written to " + o.path);
    }
    at += part.size();
  }
  const std::uint64_t end = o.pos + o.data.size();
  if (!grow(*o.node, end)) {
    ++stats_.no_space;
    const bytes fits = bytes(o.data).first(
        o.pos >= o.node->cache.size() ? 0 : std::min<std::size_t>(o.data.size(), o.node->cache.size() - o.pos));
    if (durable)
      put_any_sectors(*o.node, o.pos, fits, true, true);
    else
      put_cache(*o.node, o.pos, fits);
    return fault{errc::no_space, "simulated disk full: " + o.path};
  }
  if (o.fail) {
    ++stats_.failed_writes;
    if (durable && !options_.direct) {  // the write went to the cache, its fdatasync failed: clean, but not saved
      put_any_sectors(*o.node, o.pos, o.data, false, true);
      std::copy(o.data.begin(), o.data.end(), o.node->cache.begin() + static_cast<std::ptrdiff_t>(o.pos));
    } else {
      put_any_sectors(*o.node, o.pos, o.data, true, durable);
    }
    return fault{errc::io, "injected: write " + o.path};
  }
  if (durable)
    put_both(*o.node, o.pos, o.data);
  else
    put_cache(*o.node, o.pos, o.data);
  return o.data.size();
}

result<std::size_t> sim_volume::do_read(operation& o) {
  if (o.fail) {
    ++stats_.failed_reads;
    return fault{errc::io, "injected: read " + o.path};
  }
  const auto& from = o.node->cache;
  if (o.pos >= from.size()) return std::size_t{0};
  const std::size_t n = std::min<std::size_t>(o.into.size(), from.size() - o.pos);
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(o.pos), n, o.into.begin());
  if (n > 0 && fault_hits(faults.read_flip, op_kind::read, o.path)) {
    ++stats_.flipped_reads;
    const std::uint64_t bit = world_.random().below(n * 8);
    o.into[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    trace("FLIPPED READ", o.path, o.pos, bit);
  }
  return n;
}

result<void> sim_volume::do_sync(operation& o) {
  auto& node = *o.node;
  auto& random = world_.random();
  const std::uint64_t lost = o.fail ? random.below(3) : 0;  // 0: a part of it is saved, if failed; 1: none; 2: all
  if (!o.fail && node.size_order < o.order) {
    node.platter.resize(o.length);
    node.size_order = o.order;
  }
  node.saved_order.resize(std::max(node.saved_order.size(), node.dirty.size()));
  for (const auto& [block, content] : o.saved) {
    if (node.saved_order[block] > o.order) continue;
    if (o.fail && (lost == 1 || (lost == 0 && random.chance(0.5)))) continue;
    const std::size_t at = block * disk_block_bytes;
    if (at + content.size() > node.platter.size()) continue;  // failed, or cut by a newer size
    std::copy(content.begin(), content.end(), node.platter.begin() + static_cast<std::ptrdiff_t>(at));
    node.saved_order[block] = o.order;
  }
  if (!o.fail) return {};
  ++stats_.failed_syncs;
  return fault{errc::io, "injected: sync " + o.path};
}

// ---- Crash
// --------------------------------------------------------------------------------------------------------

void sim_volume::settle_in_flight(bool power) {
  auto& random = world_.random();
  for (auto& [id, o] : in_flight_) {
    const bool started = random.chance(0.7);
    switch (o.kind) {
      case op_kind::write:
      case op_kind::durable_write: {
        if (o.kind == op_kind::durable_write) --o.node->durable_writes_in_flight;
        if (!started || !grow(*o.node, o.pos + o.data.size())) break;
        const bool durable = o.kind == op_kind::durable_write && (power || options_.direct);
        put_any_sectors(*o.node, o.pos, o.data, true, durable);
        break;
      }
      case op_kind::sync:
        // What it had not saved yet is dirty again, so that any subset of it survives.
        for (const auto& [block, content] : o.saved) {
          if (block < o.node->dirty.size()) o.node->dirty[block] = true;
        }
        o.node->size_dirty = o.node->size_dirty || o.node->platter.size() != o.node->cache.size();
        break;
      case op_kind::allocate:
        if (started) (void)do_allocate(o.node, o.path, o.length);
        break;
      case op_kind::unlink:
        if (started && names_.contains(o.path)) {
          change_name({op_kind::unlink, o.path, {}, names_.at(o.path), 0}, true);
        }
        break;
      default:
        break;
    }
  }
  in_flight_.clear();
}

void sim_volume::power_cycle() {
  settle_in_flight(true);
  settle_names();
  std::set<sim_inode*> seen;  // tidy-allow(pointer-order): asked for membership, never walked
  for (auto& [path, node] : names_) {
    WEIR_ASSERT(node->handles == 0);
    if (seen.insert(node.get()).second) settle_content(*node);
  }
  recount();
  dead_ = false;
  died_at_.reset();
  plan_ = {};
  if (world_.tracing()) world_.trace("POWER IS BACK");
}

void sim_volume::kill_process() {
  settle_in_flight(false);
  for (auto& [path, node] : names_) WEIR_ASSERT(node->handles == 0);
  recount();
  dead_ = false;
  died_at_.reset();
  plan_ = {};
  if (world_.tracing()) world_.trace("THE PROCESS IS BACK");
}

std::vector<std::string> sim_volume::paths() const {
  std::vector<std::string> out;
  for (const auto& [path, node] : names_) out.push_back(path);
  return out;
}

const sim_inode* sim_volume::find(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : found->second.get();
}

}  // namespace weir::platform::sim
