#include "controlplane/config/byte_pattern.h"

#include <re2/re2.h>

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

}  // namespace millrace::config
