// Reads the WAL at start-up: which files there are, which blocks follow each other, and where the log ends.
//
// The end: a block that is not whole is a torn write, and the WAL ends before it, only if nothing later proves that it
// was durable: no later valid block or file header says so, nor the manifest, nor a later incarnation that once read it.
// Otherwise the WAL is damaged and nothing is opened.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "platform/disk.h"
#include "storage/format/wal_block.h"
#include "storage/options.h"
#include "storage/wal_files.h"

namespace weir::storage {

class wal_reader {
 public:
  struct input {
    std::uint64_t store_id = 0;
    std::uint64_t replay_from_seq = 1;  // of the manifest
    std::uint64_t durable_seq = 0;      // of the manifest
    std::uint64_t incarnation = 0;      // that wrote the manifest's last edit
  };
  // Shown each whole block from replay_from_seq on, in order. The view lives until it returns.
  using on_block = std::function<result<void>(bytes block, const wal_block_header& header)>;
  // Whether the manifest names the file as a data file: it may be read, and is never written to unless it goes on.
  using kept_test = std::function<bool(std::uint64_t number)>;

  wal_reader(platform::disk& disk, const store_options& options, input from, kept_test is_kept)
      : disk_(disk), options_(options), from_(from), is_kept_(std::move(is_kept)) {}

  [[nodiscard]] result<void> run(const on_block& visit);

  // After run:
  [[nodiscard]] std::uint64_t next_seq() const { return expected_; }
  [[nodiscard]] std::uint64_t last_file_seq() const { return last_file_seq_; }
  [[nodiscard]] std::uint64_t torn_blocks() const { return torn_; }
  // Writes again what was read but is not known to be durable: after a failed write the page cache may show bytes that
  // no disk has, and a later sync would not save them. To be called before anything relies on the WAL's end.
  [[nodiscard]] result<void> make_durable();
  // Hands over the files: those that hold blocks that are still needed, and the others that are not kept as data.
  [[nodiscard]] result<void> give_files(wal_files& to);

 private:
  struct candidate {
    wal_file file;
    wal_file_header header;
    bool whole_header = false;
    bool needed = false;
    std::uint64_t end_seq = UINT64_MAX;  // blocks from here on were overruled by a later file
  };
  [[nodiscard]] result<void> find_files();
  void order_files();
  [[nodiscard]] std::size_t first_needed() const;
  [[nodiscard]] result<void> nothing_to_read();
  [[nodiscard]] result<bool> scan(candidate& c, const on_block& visit);  // true: the WAL goes on in the next file
  [[nodiscard]] result<std::uint64_t> known_durable(std::uint64_t file_seq);
  void note_later_blocks(bytes file, std::uint64_t from, std::uint64_t file_seq, std::uint64_t& known);
  [[nodiscard]] std::uint64_t skip_covered(bytes file, std::uint64_t position, const candidate& c);
  [[nodiscard]] static std::string name_of(const candidate& c) { return wal_file_name(c.file.number); }
  void note_unproven(const candidate& c, std::uint64_t position, const wal_block_header& h);
  [[nodiscard]] result<void> open(candidate& c);
  [[nodiscard]] result<byte_vector> load(candidate& c);
  [[nodiscard]] bool next_in_order(const candidate& c, const wal_block_header& h) const {
    return h.incarnation == c.header.incarnation && h.file_seq == c.header.file_seq && h.seq == expected_ &&
           !outlived(h);
  }
  // Left behind a bad place by an incarnation before the one that covered that place in the manifest: another block has
  // its number now, or will have.
  [[nodiscard]] bool outlived(const wal_block_header& h) const {
    return h.seq >= from_.replay_from_seq && h.incarnation < from_.incarnation;
  }

  platform::disk& disk_;
  const store_options& options_;
  input from_;
  kept_test is_kept_;
  struct unproven {
    std::shared_ptr<platform::file> handle;
    std::string name;
    std::uint64_t position = 0;
    std::uint64_t length = 0;
    std::uint64_t seq = 0;
  };
  std::vector<unproven> headers_;
  std::deque<unproven> unproven_;
  std::uint64_t proven_ = 0;
  std::vector<candidate> files_;  // whole headers by file seq, then the others
  std::size_t whole_ = 0;
  std::uint64_t expected_ = 1;
  std::uint64_t last_file_seq_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t next_number_ = 1;
  std::uint64_t bytes_done_ = 0;
  std::uint64_t bytes_total_ = 0;
};

}  // namespace weir::storage
