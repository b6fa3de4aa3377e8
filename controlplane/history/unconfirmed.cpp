#include "controlplane/history/unconfirmed.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "controlplane/config/text_file.h"
#include "controlplane/config/whole_file.h"

namespace millrace::control {

std::string unconfirmed_path(const std::string& file) { return file + ".unconfirmed"; }

bool write_unconfirmed(const std::string& file, const Unconfirmed& change, std::string& problem) {
  Record record = to_record(change.before);
  record["applied"] = change.applied_text;
  record["until"] = std::to_string(change.until);
  return config::write_whole_file(unconfirmed_path(file), format_record(record), problem);
}

bool forget_unconfirmed(const std::string& file, std::string& problem) {
  const std::string path = unconfirmed_path(file);
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return true;
  problem = path + " cannot be removed: " + std::strerror(errno);
  return false;
}

PutBack put_back(const std::string& file, std::string& problem) {
  const std::string path = unconfirmed_path(file);
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) return PutBack::nothing;
  const config::TextFile kept = config::read_regular_file(path);
  const std::optional<Record> record = kept.text ? parse_record(*kept.text) : std::nullopt;
  const std::optional<HistoryEntry> before = record ? entry_of(*record) : std::nullopt;
  if (!before || !record->contains("applied")) {
    problem = path + " " + (kept.text ? "is damaged" : kept.problem);
    return PutBack::failed;
  }
  const config::TextFile now = config::read_text_file(file);
  const bool is_ours = now.text && *now.text == record->at("applied");
  const bool is_back = now.text && *now.text == before->text;  // it never came to be written
  if (is_ours && !config::replace_whole_file(file, before->text, problem)) return PutBack::failed;
  if (!forget_unconfirmed(file, problem)) return PutBack::failed;
  return is_ours || is_back ? PutBack::done : PutBack::edited;
}

}  // namespace millrace::control
