#include "controlplane/config/line_pattern.h"

#include <array>

#include "controlplane/config/error_text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace millrace::config {

namespace {

constexpr uint32_t kPatternStepsMax = 100'000;
constexpr size_t kPatternBytesMax = 1024;

// As gobetween's regular expressions: $ means the end alone.
constexpr uint32_t kOptions = PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;

PCRE2_SPTR bytes_of(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct LinePattern::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  pcre2_match_data* data = nullptr;
  std::map<std::string, uint32_t> groups;  // number by name
  int error = 0;
  PCRE2_SIZE error_offset = 0;

  explicit Code(const std::string& text)
      : code(pcre2_compile(bytes_of(text), text.size(), kOptions, &error, &error_offset, nullptr)) {
    if (code == nullptr) return;
    limits = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(limits, kPatternStepsMax);
    pcre2_set_depth_limit(limits, kPatternStepsMax);
    data = pcre2_match_data_create_from_pattern(code, nullptr);
    uint32_t count = 0;
    uint32_t entry_bytes = 0;
    PCRE2_SPTR entry = nullptr;
    pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &entry_bytes);
    pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &entry);
    for (uint32_t i = 0; i < count; ++i, entry += entry_bytes)
      groups[reinterpret_cast<const char*>(entry + 2)] = uint32_t{entry[0]} << 8 | entry[1];
  }
  ~Code() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
};

std::string LinePattern::check(const std::string& text) {
  if (text.size() > kPatternBytesMax) return "has more than " + std::to_string(kPatternBytesMax) + " characters";
  const Code code(text);
  if (code.code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(code.error, message.data(), message.size());
    return quote(text) + " is no regular expression: " + reinterpret_cast<const char*>(message.data()) +
           " (at character " + std::to_string(code.error_offset + 1) + ")";
  }
  for (const char* group : {"host", "port"})
    if (!code.groups.contains(group)) return quote(text) + " has no group (?P<" + group + ">...)";
  return {};
}

LinePattern::LinePattern(const std::string& text) : code_(std::make_unique<Code>(text)) {}

LinePattern::~LinePattern() = default;

std::optional<std::map<std::string, std::string>> LinePattern::match(std::string_view line) const {
  if (pcre2_match(code_->code, bytes_of(line), line.size(), 0, 0, code_->data, code_->limits) < 0) return std::nullopt;
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(code_->data);
  std::map<std::string, std::string> parts;
  for (const auto& [name, number] : code_->groups) {
    const PCRE2_SIZE from = offsets[2 * number];
    const PCRE2_SIZE to = offsets[2 * number + 1];
    if (from != PCRE2_UNSET && from <= to && to <= line.size()) parts[name] = line.substr(from, to - from);
  }
  return parts;
}

}  // namespace millrace::config
