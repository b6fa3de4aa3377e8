#include "controlplane/history/history.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "controlplane/config/text_file.h"
#include "controlplane/config/whole_file.h"

namespace millrace::control {
namespace {

constexpr std::string_view kSuffix = ".config";
// A script that adds ten servers one by one makes one entry, not ten that push out half of the history.
constexpr std::time_t kRestRowSeconds = 60;
constexpr ChangeOrigin kOrigins[] = {ChangeOrigin::start, ChangeOrigin::reload, ChangeOrigin::apply,
                                     ChangeOrigin::rollback, ChangeOrigin::rest};

constexpr size_t kSummaryBytesMax = 200;

std::string joined(const std::string& before, const std::string& more) {
  if (before.empty() || before == more || before.ends_with(" …")) return before.empty() ? more : before;
  return before.size() + more.size() < kSummaryBytesMax ? before + ", " + more : before + ", …";
}

template <typename Number>
bool read_number(const Record& record, const char* name, Number& number) {
  const auto found = record.find(name);
  if (found == record.end()) return false;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// 0: no file of ours.
uint64_t number_of(const std::string& name) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool ours = error == std::errc{} && std::string_view(end, name.data() + name.size()) == kSuffix;
  return ours ? number : 0;
}

std::vector<uint64_t> numbers_in(const std::string& directory) {
  std::vector<uint64_t> numbers;
  std::error_code error;
  for (std::filesystem::directory_iterator file(directory, error), end; !error && file != end; file.increment(error))
    if (const uint64_t number = number_of(file->path().filename().string()); number != 0) numbers.push_back(number);
  std::ranges::sort(numbers);
  return numbers;
}

}  // namespace

const char* origin_name(ChangeOrigin origin) {
  switch (origin) {
    case ChangeOrigin::start:
      return "start";
    case ChangeOrigin::reload:
      return "reload";
    case ChangeOrigin::apply:
      return "apply";
    case ChangeOrigin::rollback:
      return "rollback";
    case ChangeOrigin::rest:
      return "rest";
  }
  return "unknown";
}

Record to_record(const HistoryEntry& entry) {
  return {{"number", std::to_string(entry.number)},
          {"time", std::to_string(entry.time)},
          {"origin", origin_name(entry.origin)},
          {"summary", entry.summary},
          {"text", entry.text},
          {"changes", entry.changes}};
}

std::optional<HistoryEntry> entry_of(const Record& record) {
  HistoryEntry entry;
  if (!read_number(record, "number", entry.number) || !read_number(record, "time", entry.time)) return std::nullopt;
  for (const char* name : {"origin", "summary", "text", "changes"})
    if (!record.contains(name)) return std::nullopt;
  const auto origin = std::ranges::find(kOrigins, record.at("origin"), origin_name);
  if (origin == std::end(kOrigins)) return std::nullopt;
  entry.origin = *origin;
  entry.summary = record.at("summary");
  entry.text = record.at("text");
  entry.changes = record.at("changes");
  return entry;
}

History::History(std::string directory) : directory_(std::move(directory)) {
  for (const uint64_t number : numbers_in(directory_)) {
    std::string problem;
    std::optional<HistoryEntry> entry = read(number, problem);
    if (entry) {
      rows_.push_back(*entry);
      newest_ = std::move(entry);
    } else {
      spdlog::warn("{}: this part of the history is left alone", problem);
    }
  }
}

std::string History::path_of(uint64_t number) const { return fmt::format("{}/{:06}{}", directory_, number, kSuffix); }

std::optional<HistoryEntry> History::read(uint64_t number, std::string& problem) const {
  const std::string path = path_of(number);
  const config::TextFile file = config::read_regular_file(path);
  if (!file.text) {
    problem = path + " " + file.problem;
    return std::nullopt;
  }
  const std::optional<Record> record = parse_record(*file.text);
  std::optional<HistoryEntry> entry = record ? entry_of(*record) : std::nullopt;
  if (!entry || entry->number != number) {
    problem = path + " is damaged";
    return std::nullopt;
  }
  return entry;
}

uint64_t History::keep(HistoryEntry entry, std::string& problem) {
  if (newest_ && newest_->text == entry.text && newest_->changes == entry.changes) return newest_->number;
  const bool in_row = newest_ && newest_->origin == ChangeOrigin::rest && entry.origin == ChangeOrigin::rest &&
                      newest_->text == entry.text && entry.time - newest_->time < kRestRowSeconds;
  // A damaged file keeps its number, too.
  const std::vector<uint64_t> known = numbers_in(directory_);
  entry.number = in_row ? newest_->number : (known.empty() ? 0 : known.back()) + 1;
  if (in_row) entry.summary = joined(newest_->summary, entry.summary);
  if (mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    problem = directory_ + " cannot be made: " + std::strerror(errno);
    return 0;
  }
  if (!config::write_whole_file(path_of(entry.number), format_record(to_record(entry)), problem)) return 0;
  if (in_row)
    rows_.back() = entry;
  else
    rows_.push_back(entry);
  while (rows_.size() > kHistoryMax && drop_oldest()) {
  }
  newest_ = std::move(entry);
  return newest_->number;
}

bool History::drop_oldest() {
  const std::string path = path_of(rows_.front().number);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    spdlog::warn("{} cannot be removed: {}", path, std::strerror(errno));
    return false;
  }
  rows_.erase(rows_.begin());
  return true;
}

}  // namespace millrace::control
