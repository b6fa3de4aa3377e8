// backend_text.h: what sources say, as backends: lines of text, lists of JSON objects.
// Thread: any; pure.
// Bound:  kEntryMax entries, kEntryBytesMax a line; JSON kJsonDepthMax deep. Longer answers are none.
// Holds:  an entry that is no backend is left out with a sentence; an answer of such entries alone is none.
// Fails:  returns Answer::problem; never throws.
// Tests:  tests/unit/control/backend_text_test.cpp, tests/fuzz/discovery_fuzz.cpp
#pragma once

#include <string>
#include <string_view>

#include "controlplane/config/byte_pattern.h"
#include "controlplane/config/values.h"
#include "controlplane/discovery/source.h"

namespace millrace::control {

inline constexpr size_t kEntryMax = 4 * 4096;  // four times kBackendPerServiceMax
inline constexpr size_t kEntryBytesMax = 1024;
inline constexpr size_t kComplaintMax = 16;
inline constexpr int kJsonDepthMax = 32;

// Collects the entries of one answer.
class AnswerBuilder {
 public:
  // False: there are kEntryMax already, and the answer has failed.
  bool add(config::Parsed<config::BackendConfig> entry, std::string_view place);
  // The answer; it has failed if there were entries and none was a backend.
  Answer take(std::string_view what);

 private:
  Answer answer_;
  size_t entry_count_ = 0;
  size_t left_out_count_ = 0;
};

// What an entry says, as text; empty: nothing.
struct BackendParts {
  std::string host;  // an address; of IPv6 with or without brackets
  std::string port;
  std::string weight;
  std::string priority;
  std::string max_connections;
  std::string sni;
};
config::Parsed<config::BackendConfig> parse_parts(const BackendParts& parts);

// A line each, as in a static_list; empty ones and those that begin with '#' say nothing.
Answer parse_lines(std::string_view text);
// The same with an expression in place of that format: its groups are BackendParts by name.
Answer parse_lines(std::string_view text, const config::BytePattern& pattern);
// A list of objects.
Answer parse_json_list(std::string_view text, const config::JsonPatterns& patterns);

}  // namespace millrace::control
