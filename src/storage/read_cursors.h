// Readers that go through a log in order: where each of them goes on without a look into an index, and what is read from
// disk for it while its last answer is on its way. Several of one log do not disturb each other. What is read ahead keeps
// within three eighths of the memory for reads; what nobody comes for goes, sooner where memory is short. Owner thread: the store's
// reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "storage/core.h"
#include "storage/io_buffer.h"
#include "storage/read_queue.h"

namespace weir::storage {

class read_cursors {
 public:
  static constexpr std::uint32_t depth_max = 4;           // so many of the largest parts are read ahead, or
  static constexpr std::size_t parts_max = 64;            // as many as come to the same
  static constexpr std::size_t cursors_per_log = 64;      // then the one that stopped longest ago goes
  static constexpr std::size_t cursors_max = 16'384;      // then new readers have no place, which only costs them time
  static constexpr std::uint32_t parts_ticks_max = 40;    // unused for longer: what was read ahead goes,
  static constexpr std::uint32_t parts_ticks_short = 1;   // as soon as this where memory is short,
  static constexpr std::uint32_t cursor_ticks_max = 240;  // and the place,
  static constexpr std::uint32_t cursor_ticks_many = 8;   // as soon as this where there are many
  // An entry that is larger than a part makes reading ahead useless: not for so many answers then.
  static constexpr std::uint32_t answers_without = 16;

  // The first entry that ends above `next` begins at `position` of the file.
  struct place {
    model::offset next{};
    std::uint64_t file_id = 0;
    std::uint64_t position = 0;
  };
  struct part;
  struct cursor : std::enable_shared_from_this<cursor> {
    model::log_id log{};
    place at;
    std::uint32_t depth = 0;    // of the largest parts at most: one more with each answer
    std::uint32_t without = 0;  // answers until it is read ahead for again
    std::uint32_t idle_ticks = 0;
    std::vector<std::shared_ptr<part>> parts;  // in order; the reader is in the first or comes to it next
  };
  using cursor_ptr = std::shared_ptr<cursor>;

  read_cursors(core& c, read_queue& queue);

  // The reader that stopped at `next`, null when none did. It is the caller's until it stops again.
  [[nodiscard]] cursor_ptr resume(model::log_id log, model::offset next);
  // A reader has come to `at`; `c` is null when it is a new one. With `ahead` what follows is read for it.
  void stop(cursor_ptr c, model::log_id log, const place& at, bool ahead);

  // The bytes from a position of a file on, without their checksums looked at; null when the disk did not give them.
  using taker = std::function<void(const std::shared_ptr<io_buffer>& buffer, std::size_t begin, std::size_t end)>;
  // Hands over, now or when they are there, the bytes from `position` on, if they were read ahead and are at least
  // `least_bytes`; else false.
  [[nodiscard]] bool take(const cursor_ptr& c, const std::shared_ptr<platform::file>& handle, std::uint64_t file_id,
                          std::uint64_t position, std::size_t least_bytes, taker done);

  // Called at every tick of the store.
  void age();
  // Somebody found no memory to read into: nothing is read ahead until the next tick.
  void memory_is_short() { short_ = refused_ = true; }

 private:
  [[nodiscard]] std::uint64_t part_bytes_max() const {
    return std::uint64_t{core_.options.read_ahead_bytes} + core_.options.index_span_bytes;
  }
  // What may be read ahead: the rest is for who waits, and for writes of data files.
  [[nodiscard]] std::uint64_t memory_max() const { return core_.options.read_bytes_max / 8 * 3; }
  void extend(const cursor_ptr& c);
  [[nodiscard]] std::shared_ptr<part> next_part(cursor& c);
  [[nodiscard]] bool start(cursor& c, data_file& f, const std::shared_ptr<part>& p);
  void arrived(const std::shared_ptr<part>& p, const cursor_ptr& reader, bool ok);

  core& core_;
  read_queue& queue_;
  std::unordered_map<std::uint64_t, std::vector<cursor_ptr>> by_log_;  // the one that stopped last is the last
  std::size_t count_ = 0;                                              // in by_log_
  std::uint32_t depth_limit_ = depth_max;
  // Since the last tick:
  bool short_ = false;    // memory was, to read ahead
  bool refused_ = false;  // and somebody who waits got none
  std::shared_ptr<read_cursors*> alive_;
};

}  // namespace weir::storage
