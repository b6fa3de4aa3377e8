// history.h: the configurations that were in force, the last kHistoryMax of them, each in a file of its own.
// Holds:  numbers only grow, also over restarts. Files have mode 0600: configurations may hold secrets.
// Fails:  with a sentence; what cannot be kept stops nothing else.
// Thread: the event loop.      Tests: tests/unit/control/history_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/history/record.h"

namespace millrace::control {

inline constexpr size_t kHistoryMax = 20;

// How it came into force.
enum class ChangeOrigin { start, reload, apply, rollback, rest };
const char* origin_name(ChangeOrigin origin);

// What is shown in the list.
struct HistoryRow {
  uint64_t number = 0;
  std::time_t time = 0;
  ChangeOrigin origin = ChangeOrigin::start;
  std::string summary;
};

struct HistoryEntry : HistoryRow {
  std::string text;     // the configuration as it was written
  std::string changes;  // what REST had changed over it, as a changes file has it
};

Record to_record(const HistoryEntry& entry);
std::optional<HistoryEntry> entry_of(const Record& record);

class History {
 public:
  // Reads what is in the directory, which is made when there is something to keep.
  explicit History(std::string directory);

  const std::string& directory() const { return directory_; }
  // Oldest first.
  const std::vector<HistoryRow>& rows() const { return rows_; }
  std::optional<HistoryEntry> read(uint64_t number, std::string& problem) const;
  // Keeps `entry` under the next number, unless the newest has the same text and changes; its number is that of the entry
  // that holds them. 0: it cannot be kept, `problem` says why. REST changes soon after another one take its place.
  uint64_t keep(HistoryEntry entry, std::string& problem);

 private:
  std::string path_of(uint64_t number) const;
  bool drop_oldest();

  std::string directory_;
  std::vector<HistoryRow> rows_;
  std::optional<HistoryEntry> newest_;
};

}  // namespace millrace::control
