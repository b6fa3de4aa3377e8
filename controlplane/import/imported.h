// imported.h: the configuration of another load balancer as one of ours, and what of it could not be carried over.
// Route:  run_import > import_text > import_keepalived | import_ipvsadm | import_haproxy > settle_services > write_toml
//         > parse_config, whose refusal would be a mistake of ours
// Thread: any; pure functions of the text.
// Bound:  kImportBytesMax of text; kBackendMax backends and kDraftBindMax binds, however often the text refers to them.
// Fails:  never: what is not understood is a complaint.
// Tests:  tests/unit/import, tests/fuzz/import_fuzz.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::importing {

inline constexpr size_t kImportBytesMax = 1 << 20;  // A file that people wrote has a tenth of it.

enum class Kind : uint8_t { keepalived, ipvsadm, haproxy };
std::string_view kind_name(Kind kind);
std::optional<Kind> kind_by_name(std::string_view name);
// By the words that lines begin with; nothing when none of them is known.
std::optional<Kind> guess_kind(std::string_view text);

// What was not carried over, or not as it was: "FILE:LINE: WHAT (INSTEAD)".
struct Complaint {
  uint32_t line = 0;
  std::string what;
  std::string instead;
};

// The first kComplaintMax of them, and how many more there were.
class Complaints {
 public:
  static constexpr size_t kComplaintMax = 10'000;

  void add(uint32_t line, std::string what, std::string instead);
  // In the order of lines; without what could steer a terminal.
  std::vector<Complaint> take();

 private:
  size_t more_ = 0;
  std::vector<Complaint> list_;
};

struct Source {
  Kind kind{};
  std::string name;  // of the file, for the comments in the result
  std::string_view text;
  // Addresses for [snat.import], as in the file; none: services use this host's own.
  std::vector<std::string> snat;
};

struct Imported {
  std::string toml;
  size_t services = 0;
  std::vector<Complaint> left_out;
  // Why our own loader refuses the result. Empty, but for a mistake of the importer.
  std::vector<std::string> refusals;
};

// At most kImportBytesMax of text.
Imported import_text(const Source& source);

}  // namespace millrace::importing
