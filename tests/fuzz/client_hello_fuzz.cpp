// client_hello_fuzz.cpp: any bytes as the beginning of a client's stream.
// Input:  a byte, then a stream. The byte says into which records the stream is cut the second time, when it is taken
//         for handshake bytes without any.
// Checks: nothing is read outside of the stream (AddressSanitizer, memory of exact size); names are as promised; what
//         is wanted is true; no verdict but `more` changes when more bytes come; where records are cut changes nothing.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/tcp/client_hello.h"

namespace {

using namespace millrace;

constexpr size_t kEveryPrefixBytesMax = 512;  // in longer streams some, or an input would take too long
constexpr size_t kCutBytesMax = 4096;         // of streams cut anew, likewise

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

struct Answer {
  HelloVerdict verdict;
  size_t bytes_wanted;
  std::string name;
  bool operator==(const Answer&) const = default;
};

void check_name(std::string_view name, const char* storage) {
  require(name.data() == storage && name.size() <= kServerNameBytesMax, "a name lies in the storage");
  require(name.front() != '.' && name.back() != '.' && name.find("..") == name.npos, "no empty label");
  for (const char c : name)
    require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.', "letters of a name");
}

// The first `bytes` of the stream alone.
Answer read(std::span<const uint8_t> stream, size_t bytes) {
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes]);
  std::copy_n(stream.begin(), bytes, memory.get());
  const std::unique_ptr<std::array<char, kServerNameBytesMax>> storage(new std::array<char, kServerNameBytesMax>);
  const HelloName found = read_client_hello({memory.get(), bytes}, *storage);
  require((found.verdict == HelloVerdict::named) == !found.name.empty(), "a name when named, and only then");
  if (found.verdict == HelloVerdict::named) check_name(found.name, storage->data());
  if (found.verdict == HelloVerdict::more)
    require(found.bytes_wanted > bytes && found.bytes_wanted <= kHelloBytesMax, "wants more, within the bound");
  return {found.verdict, found.bytes_wanted, std::string(found.name)};
}

// The streams of `first` to `last` bytes; of a long one only some, the ends among them.
void require_all(std::span<const uint8_t> stream, size_t first, size_t last, const Answer& answer, const char* what) {
  const size_t step = stream.size() <= kEveryPrefixBytesMax ? 1 : std::max<size_t>(1, (last - first) / 2);
  for (size_t bytes = first; bytes < last; bytes += step) require(read(stream, bytes) == answer, what);
  require(read(stream, last) == answer, what);
}

// Asks as often as bytes_wanted tells a caller to, and in between, where it tells him not to.
void check_prefixes(std::span<const uint8_t> stream) {
  size_t bytes = 0;
  Answer answer = read(stream, bytes);
  while (answer.verdict == HelloVerdict::more) {
    const size_t wanted = answer.bytes_wanted;
    require_all(stream, bytes, std::min(wanted - 1, stream.size()), answer, "nothing new before what is wanted");
    if (wanted > stream.size()) return;
    bytes = wanted;
    answer = read(stream, bytes);
  }
  require_all(stream, bytes, stream.size(), answer, "a verdict is final");
}

std::vector<uint8_t> cut(std::span<const uint8_t> message, size_t record_bytes) {
  std::vector<uint8_t> stream;
  for (; !message.empty(); message = message.subspan(std::min(record_bytes, message.size()))) {
    const std::span<const uint8_t> content = message.first(std::min(record_bytes, message.size()));
    for (const size_t byte : {size_t{22}, size_t{3}, size_t{1}, content.size() >> 8, content.size() & 0xff})
      stream.push_back(static_cast<uint8_t>(byte));
    stream.insert(stream.end(), content.begin(), content.end());
  }
  return stream;
}

void check_cuts(std::span<const uint8_t> message, size_t record_bytes) {
  const std::vector<uint8_t> once = cut(message, kHelloBytesMax), often = cut(message, record_bytes);
  const Answer whole = read(once, once.size()), parts = read(often, often.size());
  if (parts.verdict != HelloVerdict::too_long)  // for the headers' sake
    require(whole.verdict == parts.verdict && whole.name == parts.name, "records are cut anywhere");
  if (often.size() <= kCutBytesMax) check_prefixes(often);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> stream(data + 1, size - 1);
  check_prefixes(stream);
  check_cuts(stream, data[0] + size_t{1});
  return 0;
}
