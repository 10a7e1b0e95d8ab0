// The write-ahead log's writer: builds blocks in chunks, writes them in order with a few in flight, releases tickets in
// order. Batching is natural: all that is pending goes out when a write slot is free; appends of one loop turn share a
// block. A failed write fences it for good. Owner thread: the store's reactor.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/executor.h"
#include "base/result.h"
#include "model/ids.h"
#include "storage/chunk.h"
#include "storage/wal_files.h"

namespace weir::storage {

class wal {
 public:
  // What the rest of the store wants to hear.
  struct events {
    std::function<chunk_ptr(std::size_t bytes)> new_chunk;  // a chunk that the ring now holds
    std::function<void(model::ticket)> on_durable;
    std::function<void()> on_starved;  // starved() became true
    std::function<void(const fault&)> on_fenced;
  };
  struct start {
    std::uint64_t store_id = 0;
    std::uint64_t incarnation = 0;
    std::uint64_t next_seq = 1;
    ring_position durable_place;  // behind everything that was recovered
  };
  wal(executor& exec, wal_files& files, const store_options& options, start from, events up);

  // Room for one record of exactly `bytes`, in the block that is open. Then commit, before the next reserve.
  struct place {
    std::byte* at = nullptr;
    chunk* where = nullptr;
    std::uint32_t position = 0;
  };
  [[nodiscard]] place reserve(std::size_t bytes);
  void commit(std::size_t bytes, std::uint32_t record_crc, model::ticket t);

  // Everything before it in the ring is durable.
  [[nodiscard]] ring_position durable_place() const { return durable_place_; }
  // The first block that may hold a record that is not committed yet.
  [[nodiscard]] std::uint64_t next_block_seq() const { return next_seq_; }
  // The block that holds the record committed last.
  [[nodiscard]] std::uint64_t last_block_seq() const { return open_.records > 0 ? next_seq_ : next_seq_ - 1; }
  [[nodiscard]] std::uint64_t durable_seq() const { return durable_seq_; }
  [[nodiscard]] bool fenced() const { return fenced_; }
  // Blocks wait, there is no file to write them to, and nothing is under way.
  [[nodiscard]] bool starved() const { return starved_ && writing_.empty(); }
  [[nodiscard]] bool idle() const { return in_flight_.empty() && closed_.empty() && open_.records == 0; }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_; }
  // A checkpoint made every record in blocks before `seq` durable: blocks among them that were not submitted yet are
  // never written, and files are free as soon as no write to them is under way.
  void cover(std::uint64_t seq);
  // Ends the open block and leaves its chunk, so that the chunk can be given back once it is covered.
  void leave_chunk();
  // Tries to submit; for on_ready of the files.
  void pump();

 private:
  struct block {
    chunk_ptr memory;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint32_t records = 0;
    std::uint32_t crcs = 0;
    std::uint64_t seq = 0;
    model::ticket last{};
    bool done = false;
  };
  using block_ptr = std::shared_ptr<block>;

  void open_block(std::size_t record_bytes);
  void close_block();
  [[nodiscard]] bool submit(const block_ptr& b);
  void finish_header(const block& b, const wal_file& f);
  void completed(const block_ptr& b, const result<std::size_t>& moved, std::size_t expected);
  void release_in_order();
  void recycle_files();
  void fence(const fault& why);

  executor& exec_;
  wal_files& files_;
  const store_options& options_;
  start from_;
  events up_;
  block open_;
  std::deque<block_ptr> closed_;
  std::deque<block_ptr> in_flight_;
  std::vector<std::uint64_t> writing_;  // seqs of blocks whose write has not completed
  std::uint64_t covered_seq_ = 0;       // blocks before it are not needed
  std::uint64_t next_seq_;              // of the open block
  std::uint64_t durable_seq_;
  ring_position durable_place_;
  std::uint64_t file_position_ = 0;  // in the current file
  bool pump_deferred_ = false;
  bool fenced_ = false;
  bool starved_ = false;
  std::uint64_t writes_ = 0;
  std::uint64_t bytes_ = 0;
  std::shared_ptr<wal*> alive_;
};

}  // namespace weir::storage
