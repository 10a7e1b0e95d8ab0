#include "server/node.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

#include "platform/posix/memory_room.h"
#include "server/config_text.h"

namespace weir::server {

namespace {

constexpr std::int64_t watch_ns = 250'000'000;
constexpr std::int64_t progress_ns = 1'000'000'000;
constexpr std::uint64_t cache_bytes_min = 64ULL << 20;  // of a reactor, when the machine decides
constexpr std::uint64_t cache_bytes_most = 4ULL << 30;  // given back within half a minute when the load ends
constexpr std::uint64_t cache_share = 4;                // of the free memory, all reactors take this part
constexpr std::uint64_t heavy_bytes = 50ULL << 20;      // between two looks: 200 MB/s are worth huge pages
constexpr std::uint64_t load_bytes_least = 4ULL << 20;  // in memory: then memory is made ready ahead of need
constexpr std::uint64_t prepared_pieces_least = 32;     // before the cache grows: for the tail
constexpr std::int64_t files_kept_back =
    256;  // open files that are not connections, besides the stores' own, which take two each

std::uint32_t reactors_for_this_machine() {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  return cores <= 4 ? 1 : std::min(cores, 8U);
}

kafka::session_options kafka_options(const server_config& c, kafka::bootstrap_watch& watch) {
  kafka::session_options o;
  o.request_bytes_max = static_cast<std::uint32_t>(c.limits.request_bytes);
  o.requests_in_works_max = static_cast<std::size_t>(c.kafka_requests_in_works);
  o.advertised = c.kafka_advertised;
  o.rack = c.kafka_rack;
  o.fetch_bytes_max = static_cast<std::int32_t>(c.broker.fetch_max_bytes);
  o.watch = &watch;
  o.auto_create = c.broker.auto_create_topics;
  return o;
}

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1" || host == "localhost"; }

}  // namespace

node::node(const server_config& config, data_folder folder)
    : config_(config),
      folder_(std::move(folder)),
      census_(config.limits.connections, config.limits.connections_per_address),
      admin_census_(256, 0, "the cap of admin connections") {
  config_.broker.cluster_id = folder_.facts.cluster_id;
  config_.broker.data_folder = folder_.path;
  storage_formats_.add(model::format_tag::kafka_batch_v2, kafka_format_);
  broker_formats_.add(model::format_tag::kafka_batch_v2, kafka_format_);
  add_admin_operations(admin_, *this);
}

node::~node() {
  // Cores first stop talking to each other, then everything goes in the reverse order of its making.
  for (reactor_part& p : parts_) {
    if (p.thread.joinable()) {
      p.loop->stop();
      p.thread.join();
    }
  }
  listeners_.clear();
  admin_listener_.reset();
  for (reactor_part& p : parts_) p.connections.reset();
  for (reactor_part& p : parts_) {
    if (p.core) p.core->stop();
  }
  for (reactor_part& p : parts_) p.store.reset();
}

result<std::unique_ptr<node>> node::open(const server_config& config) {
  server_config c = config;
  const std::int64_t files = raise_open_file_limit();
  const std::int64_t room = files - files_kept_back - 2 * static_cast<std::int64_t>(c.store.open_files_max);
  if (c.limits.connections > room) {
    log("server").info("limits.connections is lowered from {} to {}: the system allows {} open files",
                       c.limits.connections, std::max<std::int64_t>(room, 16), files);
    c.limits.connections = std::max<std::int64_t>(room, 16);
  }
  platform::posix_rng random;
  folder_facts fresh;
  fresh.reactors = c.reactors != 0 ? static_cast<std::uint32_t>(c.reactors) : reactors_for_this_machine();
  fresh.shards_per_reactor = static_cast<std::uint32_t>(c.shards_per_reactor);
  auto folder = open_data_folder(c.data_dir, fresh, random);
  if (!folder) return folder.error();
  if (c.reactors != 0 && static_cast<std::uint32_t>(c.reactors) != folder->facts.reactors) {
    return fault(errc::invalid,
                 fmt::format("threads.reactors = {}, but the data folder {} was made for {}; leave the key out",
                             c.reactors, c.data_dir, folder->facts.reactors));
  }
  std::unique_ptr<node> n(new node(c, std::move(*folder)));
  if (auto ok = n->open_parts(); !ok) return ok.error();
  return n;
}

result<void> node::open_parts() {
  const broker::layout shape{0, folder_.facts.reactors, folder_.facts.shards_per_reactor};
  parts_.resize(folder_.facts.reactors);
  std::vector<broker::core*> cores;
  for (std::uint32_t i = 0; i < parts_.size(); ++i) {
    reactor_part& p = parts_[i];
    p.index = i;
    p.kafka = kafka_options(config_, p.bootstraps);
    p.loop = std::make_unique<platform::reactor>(platform::reactor_options{std::chrono::microseconds(config_.spin_us)});
    p.random = std::make_unique<platform::posix_rng>();
    broker::layout where = shape;
    where.reactor = i;
    p.core = std::make_unique<broker::core>(
        where, broker::core_deps{config_.broker, *p.loop, p.loop->clock(), *p.random, broker_formats_});
    cores.push_back(p.core.get());
  }
  for (reactor_part& p : parts_) p.core->link(cores);
  for (reactor_part& p : parts_) {
    if (auto ok = open_disk(p); !ok) return ok;
  }
  if (auto ok = open_stores(); !ok) return ok;
  for (reactor_part& p : parts_) {
    p.connections = std::make_unique<connection_group>(*p.loop, numbers_, config_.limits);
  }
  return {};
}

result<void> node::open_disk(reactor_part& part) {
  auto disk = platform::open_disk(*part.loop, folder_.store_path(part.index), config_.disk);
  if (!disk) return disk.error();
  if (!disk->why_buffered.empty()) log("storage").warn("durable writes go buffered: {}", disk->why_buffered);
  part.disk = std::move(disk->where);
  return {};
}

result<void> node::open_stores() {
  start_gate gate(parts_.size());
  std::vector<result<void>> outcomes(parts_.size());
  std::exception_ptr thrown;  // of the last store that could not even fail: no memory
  std::mutex thrown_mutex;
  const auto guarded = [&](const std::function<void()>& run) {
    try {
      run();
    } catch (...) {
      const std::lock_guard lock(thrown_mutex);
      thrown = std::current_exception();
      gate.fail();
    }
  };
  const auto open_one = [&](reactor_part& p) {
    guarded([&] {
      outcomes[p.index] = open_store(p, gate);
      if (!outcomes[p.index]) gate.fail();
    });
  };
  guarded([&] {
    for (reactor_part& p : parts_) {
      if (p.index != 0) p.thread = std::thread([&open_one, &p] { open_one(p); });
    }
    open_one(parts_.front());
  });
  for (reactor_part& p : parts_) {
    if (p.thread.joinable()) p.thread.join();
  }
  if (thrown) std::rethrow_exception(thrown);
  // Those that had to stop because of another say less than that other.
  result<void> worst;
  for (const result<void>& r : outcomes) {
    if (!r && (worst || worst.error().code == errc::closed)) worst = r;
  }
  return worst;
}

result<void> node::open_store(reactor_part& part, start_gate& gate) {
  const std::string path = folder_.store_path(part.index);
  part.disk = std::make_shared<gated_disk>(part.disk, [&part, &gate]() -> result<void> {
    // The records may be whole and make no sense to the broker: that, too, before anything is changed.
    if (const auto& damage = part.core->damage()) return *damage;
    return gate.arrive();
  });
  storage::store_options options = config_.store;
  const clock& time = part.loop->clock();
  options.on_progress = [&time, last = time.now()](const storage::recovery_progress& p) mutable {
    if (time.now() - last < progress_ns) return;
    last = time.now();
    log("storage").info("recovery: {}, {} of {}", p.stage, print_bytes(static_cast<std::int64_t>(p.done_bytes)),
                        print_bytes(static_cast<std::int64_t>(p.total_bytes)));
  };
  options.chunk_allocate = [memory = part.memory](std::size_t n) { return memory->take(n); };
  options.chunk_release = [memory = part.memory](void* p, std::size_t n) { memory->give(p, n); };
  options.chunk_worth_keeping = [memory = part.memory](const void* p) { return memory->worth_keeping(p); };
  const mono_ns begin = time.now();
  auto opened = storage::open_store(*part.disk, *part.loop, time, *part.random, storage_formats_, *part.core, options);
  if (!opened) return fault(opened.error().code, path + ": " + opened.error().text);
  part.store = std::move(*opened);
  const storage::recovery_report& r = part.store->recovered();
  log("storage").info("{} {}: {} logs, {} files, {} records replayed, {} ms, {} durable writes",
                      r.created ? "made" : "opened", path, r.logs, r.files, r.replayed_records,
                      (time.now() - begin) / 1'000'000, part.disk->durable_path());
  return {};
}

result<void> node::start() {
  started_ = main_loop().clock().now();
  // The admin socket and the ports first: when one is not to be had, nothing has begun yet.
  if (auto ok = start_listeners(); !ok) return ok;
  start_threads();
  if (auto ok = start_cores(); !ok) return ok;
  for (reactor_part& p : parts_) p.loop->send([this, &p] { watch(p); });
  for (const auto& l : listeners_) l->start();
  admin_listener_->start();
  return {};
}

void node::start_threads() {
  for (reactor_part& p : parts_) {
    if (p.index != 0) p.thread = std::thread([&p] { p.loop->run(); });
  }
}

result<void> node::start_cores() {
  // Outlives this: the first failure is enough, and after one of reactor 0 the others would wait for the catalog for ever.
  struct progress {
    std::size_t left;
    result<void> outcome;
  };
  const auto all = std::make_shared<progress>(progress{parts_.size(), {}});
  for (reactor_part& p : parts_) {
    p.loop->send([this, &p, all] {
      p.core->start(*p.store, [this, all](result<void> r) {
        main_loop().send([all, r = std::move(r)] {
          if (!r && all->outcome) all->outcome = r;
          --all->left;
        });
      });
    });
  }
  main_loop().run_until([&] { return all->left == 0 || !all->outcome; });
  return all->outcome;
}

result<void> node::start_listeners() {
  auto admin =
      listener::unix_socket(main_loop(), admin_census_, "admin", folder_.admin_socket(), [this](new_connection&& c) {
        parts_.front().connections->adopt(
            std::move(c), [this](protocol::session_host& h) { return std::make_unique<admin_session>(h, admin_); });
      });
  if (!admin) return admin.error();
  admin_listener_ = std::move(*admin);
  for (const listener_config& l : config_.listeners) {
    auto made = listener::tcp(main_loop(), census_, l, [this](new_connection&& c) { adopt_kafka(std::move(c)); });
    if (!made) return made.error();
    const protocol::endpoint& bound = (*made)->address();
    if (!is_loopback(bound.host) && !config_.broker.allow_all) {
      log_.warn("{} is open to the network, but without users only clients of this machine are allowed in",
                print_endpoint(bound));
    }
    if (!is_loopback(bound.host) && config_.broker.allow_all) {
      log_.warn("dev: {} is open to the network and everybody may do everything; listen on 127.0.0.1 to close it",
                print_endpoint(bound));
    }
    listeners_.push_back(std::move(*made));
  }
  return {};
}

void node::adopt_kafka(new_connection&& c) {
  reactor_part& p = parts_[next_reactor_++ % parts_.size()];
  // A socket on its way to its reactor; tasks must be copyable.
  auto moving = std::make_shared<new_connection>(std::move(c));
  const auto take = [this, &p, moving] {
    if (stopping_.load(std::memory_order_relaxed)) return;
    p.connections->adopt(std::move(*moving), [&p](protocol::session_host& h) {
      return std::make_unique<kafka::session>(h, p.core->port(), p.kafka);
    });
  };
  if (p.index == 0) return take();
  p.loop->send(take);
}

// All the time on each reactor: a store that lost its disk ends the process, because only recovery can say what is durable.
void node::watch(reactor_part& part) {
  if (stopping_.load(std::memory_order_relaxed)) return;
  const model::store_stats now = part.store->stats();
  if (now.fenced) {
    const std::string what = fmt::format(
        "the store {} lost its disk after a failed write; the server stops, recovery decides at the next start",
        folder_.store_path(part.index));
    log("storage").error("{}", what);
    main_loop().send([this, what] {
      if (failure_.code == errc::ok) failure_ = fault(errc::fenced, what);
      stop_requested_ = true;
    });
    return;
  }
  size_memory(part, now);
  report_lost_bootstraps(part);
  part.loop->at(part.loop->clock().now() + watch_ns, [this, &part] { watch(part); });
}

// Memory for what is going to come, by what came since the last look.
void node::size_memory(reactor_part& part, const model::store_stats& now) const {
  const std::uint64_t moved = now.wal_bytes + part.core->stats().bytes_out;
  const std::uint64_t lately = moved - std::exchange(part.moved_bytes, moved);
  if (lately >= heavy_bytes) part.memory->use_huge_pages(true);
  if (lately < heavy_bytes / 8) part.memory->use_huge_pages(false);
  if (now.tail_bytes + now.cache_bytes < load_bytes_least) return part.memory->prepare(0);
  if (config_.cache_auto && now.cache_bytes >= cache_bytes_min / 2) return size_cache(part, now.cache_bytes);
  part.memory->prepare(prepared_pieces_least);
}

// Recent data stays in memory as the page cache would keep it, and like there it gives way when memory is wanted elsewhere. It
// grows by memory that was made ready aside: the first touch of so much would stand in the way of who writes.
void node::size_cache(reactor_part& part, std::uint64_t held) const {
  const std::uint64_t free = platform::memory_room().value_or(0) / parts_.size();
  const std::uint64_t target = std::clamp((free + held) / cache_share, cache_bytes_min, cache_bytes_most);
  const std::uint64_t growth = (target - std::min(target, held)) / chunk_memory::piece_bytes;
  part.memory->prepare(std::min(prepared_pieces_least + growth, prepared_pieces_max));
  // What the tail may need at any moment is not for the cache.
  const std::uint64_t ready = std::max<std::uint64_t>(part.memory->ready(), prepared_pieces_least);
  const std::uint64_t more = (ready - prepared_pieces_least) * chunk_memory::piece_bytes;
  part.store->limit_cache(std::clamp(held + more, cache_bytes_min, target));
}

void node::report_lost_bootstraps(reactor_part& part) {
  for (const auto& hint : part.bootstraps.due(part.loop->clock().now()))
    log("kafka").limited(log_level::warn, "bootstrap", "{}", kafka::describe(hint));
}

std::vector<std::pair<std::string, protocol::endpoint>> node::listening() const {
  std::vector<std::pair<std::string, protocol::endpoint>> out;
  for (const auto& l : listeners_) out.emplace_back(l->protocol(), l->address());
  return out;
}

void node::request_stop() {
  main_loop().send([this] { stop_requested_ = true; });
}

result<void> node::run() {
  main_loop().run_until([this] { return stop_requested_; });
  stop_all();
  if (failure_.code != errc::ok) return failure_;
  return {};
}

void node::stop_all() {
  stopping_ = true;
  listeners_.clear();
  admin_listener_.reset();
  auto left = std::make_shared<std::atomic<std::size_t>>(parts_.size());
  for (reactor_part& p : parts_) p.loop->send([this, &p, left] { stop_part(p, left); });
  main_loop().run_until([&] { return left->load() == 0; });
}

void node::stop_part(reactor_part& part, const std::shared_ptr<std::atomic<std::size_t>>& left) {
  part.connections->close_all();
  part.core->stop();
  part.store->close([this, &part, left](const result<void>& closed) {
    main_loop().send([this, &part, left, closed] {
      if (!closed && failure_.code == errc::ok) {
        failure_ = fault(closed.error().code, folder_.store_path(part.index) + ": " + closed.error().describe());
      }
      left->fetch_sub(1);
    });
  });
}

}  // namespace weir::server
