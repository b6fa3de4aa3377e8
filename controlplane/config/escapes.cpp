#include "controlplane/config/escapes.h"

#include <charconv>

#include "controlplane/config/error_text.h"

namespace millrace::config {

namespace {

struct Letter {
  char letter;
  char byte;
};
constexpr Letter kLetters[] = {{'a', '\a'}, {'b', '\b'}, {'f', '\f'},  {'n', '\n'}, {'r', '\r'},
                               {'t', '\t'}, {'v', '\v'}, {'\\', '\\'}, {'"', '"'}};

// Exactly `count` digits; nullopt otherwise.
std::optional<uint32_t> read_digits(std::string_view text, size_t count, int base) {
  if (text.size() < count) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, value, base);
  if (error != std::errc{} || end != text.data() + count) return std::nullopt;
  return value;
}

// RFC 3629; false for what is no character: surrogates, and beyond U+10FFFF.
bool append_utf8(uint32_t character, std::string& bytes) {
  if (character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff)) return false;
  const unsigned more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  constexpr uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  bytes += static_cast<char>(kLead[more] | (character >> (6 * more)));
  for (unsigned left = more; left-- > 0;) bytes += static_cast<char>(0x80 | ((character >> (6 * left)) & 0x3f));
  return true;
}

// What follows a backslash. How many characters of `text` it is; 0: no escape.
size_t append_escape(std::string_view text, std::string& bytes) {
  if (text.empty()) return 0;
  for (const Letter& known : kLetters) {
    if (known.letter != text.front()) continue;
    bytes += known.byte;
    return 1;
  }
  const size_t digits = text.front() == 'x' ? 2 : text.front() == 'u' ? 4 : text.front() == 'U' ? 8 : 0;
  if (digits == 0) {
    const std::optional<uint32_t> octal = read_digits(text, 3, 8);
    if (!octal || *octal > 0xff) return 0;
    bytes += static_cast<char>(*octal);
    return 3;
  }
  const std::optional<uint32_t> value = read_digits(text.substr(1), digits, 16);
  if (!value) return 0;
  if (digits == 2)
    bytes += static_cast<char>(*value);
  else if (!append_utf8(*value, bytes))
    return 0;
  return 1 + digits;
}

}  // namespace

Parsed<std::string> parse_escapes(std::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      bytes += text[at];
      continue;
    }
    const size_t length = append_escape(text.substr(at + 1), bytes);
    if (length == 0)
      return {quote(text.substr(at, 4)) + " is no escape",
              "write \\n, \\r, \\t, \\\\, or \\xNN for any byte, in single quotes in TOML: 'PING\\xFF\\n'"};
    at += length;
  }
  return bytes;
}

}  // namespace millrace::config
