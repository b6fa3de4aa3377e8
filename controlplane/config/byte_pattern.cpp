#include "controlplane/config/byte_pattern.h"

#include <re2/re2.h>

#include <vector>

namespace millrace::config {

BytePattern::Compiled BytePattern::compile(std::string_view text) {
  if (text.empty()) return {{}, "it is empty"};
  if (text.size() > kPatternTextBytesMax)
    return {{}, "it is longer than " + std::to_string(kPatternTextBytesMax) + " bytes"};
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);  // a byte is a character
  options.set_max_mem(kPatternMemoryBytesMax);
  const auto regexp = std::make_shared<const RE2>(re2::StringPiece(text.data(), text.size()), options);
  if (!regexp->ok()) return {{}, regexp->error()};
  Compiled compiled;
  compiled.pattern.text_ = text;
  compiled.pattern.regexp_ = regexp;
  return compiled;
}

bool BytePattern::matches(std::string_view bytes) const {
  return regexp_ != nullptr && RE2::PartialMatch(re2::StringPiece(bytes.data(), bytes.size()), *regexp_);
}

bool BytePattern::has_group(const std::string& name) const {
  return regexp_ != nullptr && regexp_->NamedCapturingGroups().contains(name);
}

std::optional<std::map<std::string, std::string>> BytePattern::find_groups(std::string_view bytes) const {
  if (regexp_ == nullptr) return std::nullopt;
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regexp_->NumberOfCapturingGroups()) + 1);
  const re2::StringPiece text(bytes.data(), bytes.size());
  if (!regexp_->Match(text, 0, text.size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size())))
    return std::nullopt;
  std::map<std::string, std::string> parts;
  for (const auto& [name, number] : regexp_->NamedCapturingGroups())
    if (const re2::StringPiece& group = groups[static_cast<size_t>(number)]; group.data() != nullptr)
      parts[name] = group.as_string();
  return parts;
}

}  // namespace millrace::config
