// What clients of a simulated node were promised or shown: every record that was acknowledged or read, at its offset; every
// committed group offset; every topic. It outlives crashes, and nothing of it may ever change; but of a topic that is async, or
// may be, a crash may take the last records, which end the log then.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace weir::sim_tests {

using partition_name = std::pair<std::string, std::int32_t>;
using record_id = std::uint64_t;  // the first 8 bytes of each record's value; never the same twice

struct sent_record {
  std::size_t producer = 0;
  partition_name where;
  std::int32_t sequence = 0;
};

struct partition_truth {
  std::map<std::int64_t, record_id> shown;  // by offset
  std::int64_t trim_acked = 0;              // the log starts here at least
  std::int64_t trim_asked = 0;              // and here at most
  std::int64_t high = 0;                    // the largest high watermark that anybody was told
  std::int64_t firm = 0;                    // while its topic may lose records: none below
  bool cut = false;                         // a crash took some: readers may stand behind the end

  [[nodiscard]] std::int64_t shown_end() const { return shown.empty() ? 0 : shown.rbegin()->first + 1; }
};

// What clients know of a topic's durability.
struct level_truth {
  bool may_lose = false;  // it is async, or a change to that was asked for
  bool asked = false;     // a change is under way
};

// One group's offset for one partition.
struct commit_truth {
  std::int64_t known = -1;          // acknowledged or read
  std::vector<std::int64_t> asked;  // later ones, without an answer yet, in order
};

class broker_truth {
 public:
  using fail_fn = std::function<void(const std::string&)>;
  explicit broker_truth(fail_fn fail) : fail_(std::move(fail)) {}

  [[nodiscard]] record_id send(const sent_record& r) {
    sent.push_back(r);
    return sent.size() - 1;
  }
  // A client learned that this record is at this offset.
  void show(const partition_name& where, std::int64_t offset, record_id id);
  void commit_acked(const std::string& group, const partition_name& where, std::int64_t at);
  void commit_read(const std::string& group, const partition_name& where, std::int64_t at);
  // Its topic is async, or about to be: from now on a crash may take what is shown.
  void may_lose(const std::string& topic);
  // Its topic is not async any more: all that was shown stays.
  void loses_nothing(const std::string& topic) { levels[topic].may_lose = false; }
  // The node has started again, and a partition that may have lost records ends here.
  void restarted(const partition_name& where, std::int64_t end);
  // The whole partition from its start, as it is at the end: `records` by offset without gaps.
  void check_whole(const partition_name& where, std::int64_t start, std::int64_t end,
                   const std::map<std::int64_t, record_id>& records);

  std::vector<sent_record> sent;  // by record id
  std::map<partition_name, partition_truth> partitions;
  std::map<std::pair<std::string, partition_name>, commit_truth> commits;
  std::map<std::string, std::int32_t> topics;  // acknowledged: name -> partitions
  std::map<std::string, level_truth> levels;   // by topic
  std::set<record_id> lost;                    // taken by a crash, and not there again
  std::set<std::int64_t> producer_ids;

 private:
  fail_fn fail_;
};

}  // namespace weir::sim_tests
