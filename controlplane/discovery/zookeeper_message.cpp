#include "controlplane/discovery/zookeeper_message.h"

#include <fmt/format.h>

#include "controlplane/discovery/backend_text.h"

namespace millrace::control {
namespace {

constexpr size_t kLengthBytes = 4;

enum class Request : int32_t { exists = 3, data = 4, children = 8, ping = 11, auth = 100, close = -11 };

class Writer {
 public:
  Writer& number(int32_t value) { return big_endian(static_cast<uint32_t>(value)); }
  Writer& request(int32_t xid, Request kind) { return number(xid).number(static_cast<int32_t>(kind)); }
  Writer& long_number(uint64_t value) {
    return big_endian(static_cast<uint32_t>(value >> 32)).big_endian(static_cast<uint32_t>(value));
  }
  Writer& text(std::string_view value) {
    number(static_cast<int32_t>(value.size()));
    body_ += value;
    return *this;
  }
  Writer& flag(bool value) {
    body_ += value ? '\1' : '\0';
    return *this;
  }
  std::string message() const {
    Writer length;
    length.number(static_cast<int32_t>(body_.size()));
    return length.body_ + body_;
  }

 private:
  Writer& big_endian(uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) body_ += static_cast<char>(value >> shift);
    return *this;
  }

  std::string body_;
};

// Everything is zero or empty once something was not there.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}

  int32_t number() {
    uint32_t value = 0;
    for (const char byte : take(4)) value = value << 8 | static_cast<uint8_t>(byte);
    return static_cast<int32_t>(value);
  }
  void skip(size_t bytes) { take(bytes); }
  // -1 as its length: null, which is empty here.
  std::string_view text() {
    const int32_t bytes = number();
    if (bytes < -1) whole_ = false;
    return take(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  }
  bool whole() const { return whole_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view take(size_t bytes) {
    whole_ = whole_ && bytes <= rest_.size();
    if (!whole_) return {};
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }

  std::string_view rest_;
  bool whole_ = true;
};

std::string ask_node(int32_t xid, Request kind, const std::string& path) {
  return Writer().request(xid, kind).text(path).flag(true).message();
}

}  // namespace

// Protocol version, last change seen, timeout, session and its password: none yet; not read-only.
std::string zookeeper_connect(uint32_t session_timeout_ms) {
  Writer writer;
  writer.number(0).long_number(0).number(static_cast<int32_t>(session_timeout_ms)).long_number(0);
  return writer.text(std::string(16, '\0')).flag(false).message();
}

std::string zookeeper_auth(std::string_view digest) {
  return Writer().request(kZookeeperAuthXid, Request::auth).number(0).text("digest").text(digest).message();
}

std::string zookeeper_exists(int32_t xid, const std::string& path) { return ask_node(xid, Request::exists, path); }
std::string zookeeper_children(int32_t xid, const std::string& path) { return ask_node(xid, Request::children, path); }
std::string zookeeper_data(int32_t xid, const std::string& path) { return ask_node(xid, Request::data, path); }
std::string zookeeper_ping() { return Writer().request(kZookeeperPingXid, Request::ping).message(); }
std::string zookeeper_close() { return Writer().request(0, Request::close).message(); }

std::optional<ZookeeperSession> parse_zookeeper_session(std::string_view body) {
  Reader reader(body);
  reader.number();  // protocol version
  const ZookeeperSession session{reader.number()};
  reader.skip(8);  // its number
  reader.text();   // its password
  if (!reader.whole()) return std::nullopt;
  return session;
}

std::optional<ZookeeperReply> parse_zookeeper_reply(std::string_view body) {
  Reader reader(body);
  ZookeeperReply reply{.xid = reader.number()};
  reader.skip(8);  // the last change
  reply.error = static_cast<ZookeeperError>(reader.number());
  reply.body = reader.rest();
  if (!reader.whole()) return std::nullopt;
  return reply;
}

std::optional<std::vector<std::string>> parse_zookeeper_children(std::string_view body) {
  Reader reader(body);
  std::vector<std::string> names;
  for (int32_t left = reader.number(); left > 0 && reader.whole() && names.size() <= kEntryMax; --left)
    names.emplace_back(reader.text());
  if (!reader.whole()) return std::nullopt;
  return names;
}

std::optional<std::string> parse_zookeeper_data(std::string_view body) {
  Reader reader(body);
  std::string data(reader.text());
  if (!reader.whole()) return std::nullopt;
  return data;
}

std::optional<std::string> parse_zookeeper_event(std::string_view body) {
  Reader reader(body);
  reader.number();  // what has happened
  reader.number();  // the session's state
  std::string path(reader.text());
  if (!reader.whole()) return std::nullopt;
  return path;
}

std::string describe(ZookeeperError error) {
  switch (error) {
    case ZookeeperError::none:
      return "all is well";
    case ZookeeperError::no_node:
      return "it is not there";
    case ZookeeperError::no_auth:
      return "its ACL does not let us read it: set zookeeper_auth";
    case ZookeeperError::auth_failed:
      return "zookeeper_auth is refused";
  }
  return fmt::format("error {}", static_cast<int32_t>(error));
}

std::optional<std::string> take_zookeeper_message(std::string& buffer, bool& too_long) {
  if (buffer.size() < kLengthBytes) return std::nullopt;
  const auto bytes = static_cast<uint32_t>(Reader(buffer).number());
  too_long = bytes > kAnswerBytesMax;
  if (too_long || buffer.size() - kLengthBytes < bytes) return std::nullopt;
  std::string body = buffer.substr(kLengthBytes, bytes);
  buffer.erase(0, kLengthBytes + bytes);
  return body;
}

}  // namespace millrace::control
