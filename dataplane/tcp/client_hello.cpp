#include "dataplane/tcp/client_hello.h"

#include <algorithm>
#include <cstring>

namespace millrace {
namespace {

constexpr size_t kRecordHeaderBytes = 5;       // type, version, length (RFC 8446 section 5.1)
constexpr size_t kRecordBytesMax = 1 << 14;    // of plaintext (section 5.1)
constexpr size_t kMessageHeaderBytes = 4;      // type, length (section 4)
constexpr size_t kVersionAndRandomBytes = 34;  // section 4.1.2, and so the next
constexpr size_t kSessionIdBytesMax = 32;
constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kVersionMajor = 3;  // SSL 3.0 to TLS 1.3
constexpr uint8_t kClientHello = 1;
constexpr uint16_t kServerNameExtension = 0;  // RFC 6066 section 3, and so the next
constexpr uint8_t kHostName = 0;

constexpr size_t be16_at(const uint8_t* bytes) { return size_t{bytes[0]} << 8 | bytes[1]; }

// Walks the handshake bytes of a stream, over the headers of the records that they were cut into. `stream` has at most
// kHelloBytesMax bytes.
class HandshakeCursor {
 public:
  explicit HandshakeCursor(std::span<const uint8_t> stream) : stream_(stream) {}

  // Passes over the next `count` handshake bytes, and copies them to `to` unless that is null. False: they are not all
  // there, and stopped() says why.
  bool read(size_t count, uint8_t* to);
  HelloName stopped() const { return stopped_; }

 private:
  bool open_record();
  bool stop(HelloVerdict verdict) {
    stopped_ = {.verdict = verdict};
    return false;
  }
  bool want(size_t stream_bytes) {
    if (stream_bytes > kHelloBytesMax) return stop(HelloVerdict::too_long);
    stopped_ = {.verdict = HelloVerdict::more, .bytes_wanted = stream_bytes};
    return false;
  }

  std::span<const uint8_t> stream_;
  size_t at_ = 0;           // in stream_
  size_t record_left_ = 0;  // of the record that is open, by its length; they need not be there
  HelloName stopped_;
};

bool HandshakeCursor::read(size_t count, uint8_t* to) {
  while (count != 0) {
    if (record_left_ == 0 && !open_record()) return false;
    if (count > kHelloBytesMax - at_) return stop(HelloVerdict::too_long);
    const size_t chunk = std::min(count, record_left_);
    // Behind a record that is not enough comes the header of the next, before which there is nothing to judge.
    if (stream_.size() - at_ < chunk) return want(at_ + chunk + (chunk < count ? kRecordHeaderBytes : 0));
    if (to != nullptr) {
      std::memcpy(to, stream_.data() + at_, chunk);
      to += chunk;
    }
    at_ += chunk;
    record_left_ -= chunk;
    count -= chunk;
  }
  return true;
}

// A hello is followed by the server's answer: until it is whole, nothing but handshake records can come (RFC 8446
// section 5.1 forbids to interleave others), and none of them may be empty.
bool HandshakeCursor::open_record() {
  if (stream_.size() - at_ < kRecordHeaderBytes) return want(at_ + kRecordHeaderBytes);
  const uint8_t* header = stream_.data() + at_;
  if (header[0] != kHandshakeRecord || header[1] != kVersionMajor)
    return stop(at_ == 0 ? HelloVerdict::not_tls : HelloVerdict::malformed);
  record_left_ = be16_at(header + 3);
  if (record_left_ == 0 || record_left_ > kRecordBytesMax) return stop(HelloVerdict::malformed);
  at_ += kRecordHeaderBytes;
  return true;
}

// Reads a part of a hello that is whole, field by field. After a read beyond its end everything is zero, and failed()
// says so: callers read on and ask once.
class HelloReader {
 public:
  HelloReader(const HandshakeCursor& cursor, size_t bytes) : cursor_(cursor), left_(bytes) {}

  void read(size_t count, uint8_t* to) {
    failed_ = failed_ || count > left_ || !cursor_.read(count, to);
    left_ = failed_ ? 0 : left_ - count;
  }
  void skip(size_t count) { read(count, nullptr); }
  uint8_t u8() {
    uint8_t byte = 0;
    read(1, &byte);
    return byte;
  }
  size_t u16() {
    uint8_t bytes[2] = {};
    read(sizeof bytes, bytes);
    return be16_at(bytes);
  }
  // Passes over the next `count` bytes and gives them a reader of their own.
  HelloReader part(size_t count) {
    HelloReader inner = *this;
    skip(count);
    inner.left_ = failed_ ? 0 : count;
    return inner;
  }

  size_t left() const { return left_; }
  bool failed() const { return failed_; }

 private:
  HandshakeCursor cursor_;
  size_t left_;
  bool failed_ = false;
};

// `text`, at least one byte, as a name to compare: in lower case, without a final dot. Empty when it is no host name.
// One whose last label is a number is an IPv4 address or nothing (RFC 1123 section 2.1); a colon, and so IPv6, is no
// letter of a name.
std::string_view host_name(std::span<char> text) {
  if (text.back() == '.') text = text.first(text.size() - 1);
  size_t label_bytes = 0;
  bool label_is_number = true;  // an empty one is, too
  for (char& c : text) {
    if (c == '.') {
      if (label_bytes == 0) return {};
      label_bytes = 0;
      label_is_number = true;
      continue;
    }
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_') return {};
    label_is_number = label_is_number && is_digit;
    ++label_bytes;
  }
  return label_is_number ? std::string_view() : std::string_view(text.data(), text.size());
}

constexpr HelloName kMalformed{.verdict = HelloVerdict::malformed};
constexpr HelloName kUnnamed{.verdict = HelloVerdict::unnamed};

// The server_name extension: a list with at most one name of each type (RFC 6066 section 3). Types that are not known
// have a length of 16 bits as well, as that section promises.
HelloName read_server_names(HelloReader list, std::span<char, kServerNameBytesMax> storage) {
  const size_t list_bytes = list.u16();
  if (list_bytes == 0 || list_bytes != list.left()) return kMalformed;
  HelloName found = kUnnamed;
  bool seen = false;
  while (list.left() != 0) {
    const uint8_t type = list.u8();
    const size_t bytes = list.u16();
    const bool fits = bytes <= storage.size();
    list.read(bytes, type == kHostName && fits ? reinterpret_cast<uint8_t*>(storage.data()) : nullptr);
    if (list.failed()) return kMalformed;
    if (type != kHostName) continue;
    if (seen || bytes == 0) return kMalformed;
    seen = true;
    if (fits) found.name = host_name(storage.first(bytes));
  }
  if (!found.name.empty()) found.verdict = HelloVerdict::named;
  return found;
}

HelloName read_extensions(HelloReader extensions, std::span<char, kServerNameBytesMax> storage) {
  HelloName found = kUnnamed;
  bool seen = false;
  while (extensions.left() != 0) {
    const size_t type = extensions.u16();
    const size_t bytes = extensions.u16();
    if (type != kServerNameExtension) {
      extensions.skip(bytes);
      continue;
    }
    if (seen) return kMalformed;  // RFC 8446 section 4.2
    seen = true;
    found = read_server_names(extensions.part(bytes), storage);
  }
  return extensions.failed() ? kMalformed : found;
}

// A ClientHello behind its message header (RFC 8446 section 4.1.2).
HelloName read_hello(HelloReader hello, std::span<char, kServerNameBytesMax> storage) {
  hello.skip(kVersionAndRandomBytes);
  const size_t session_id_bytes = hello.u8();
  hello.skip(session_id_bytes);
  const size_t cipher_suites_bytes = hello.u16();
  hello.skip(cipher_suites_bytes);
  const size_t compression_bytes = hello.u8();
  hello.skip(compression_bytes);
  if (hello.failed() || session_id_bytes > kSessionIdBytesMax) return kMalformed;
  if (cipher_suites_bytes == 0 || cipher_suites_bytes % 2 != 0 || compression_bytes == 0) return kMalformed;
  if (hello.left() == 0) return kUnnamed;  // up to TLS 1.2 there need not be extensions (RFC 5246 section 7.4.1.2)
  const size_t extensions_bytes = hello.u16();
  if (extensions_bytes != hello.left()) return kMalformed;
  return read_extensions(hello, storage);
}

}  // namespace

HelloName read_client_hello(std::span<const uint8_t> stream, std::span<char, kServerNameBytesMax> storage) {
  // The first byte is judged at once: a client of another protocol may send less than a record's header and wait.
  if (stream.empty()) return {.verdict = HelloVerdict::more, .bytes_wanted = 1};
  if (stream[0] != kHandshakeRecord) return {.verdict = HelloVerdict::not_tls};
  HandshakeCursor cursor(stream.first(std::min(stream.size(), kHelloBytesMax)));
  uint8_t header[kMessageHeaderBytes];
  if (!cursor.read(sizeof header, header)) return cursor.stopped();
  if (header[0] != kClientHello) return kMalformed;
  const size_t hello_bytes = size_t{header[1]} << 16 | be16_at(header + 2);
  const HelloReader hello(cursor, hello_bytes);
  if (!cursor.read(hello_bytes, nullptr)) return cursor.stopped();
  return read_hello(hello, storage);
}

}  // namespace millrace
