#include "controlplane/dns/dns_message.h"

#include <ares.h>

#include <algorithm>
#include <utility>

namespace millrace::control {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kClassIn = 1;

// Walks over the message; what would lie behind its end makes it unsound.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool sound() const { return sound_; }
  size_t at() const { return at_; }
  void go_to(size_t at) {
    sound_ &= at <= bytes_.size();
    at_ = at;
  }
  uint16_t take16() {
    if (!has(2)) return 0;
    const auto value = static_cast<uint16_t>(bytes_[at_] << 8 | bytes_[at_ + 1]);
    at_ += 2;
    return value;
  }
  uint32_t take32() {
    const uint32_t high = take16();
    return high << 16 | take16();
  }
  std::span<const uint8_t> take(size_t count) {
    if (!has(count)) return {};
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  std::string take_name() {
    char* expanded = nullptr;
    long length = 0;
    if (!has(1) || ares_expand_name(bytes_.data() + at_, bytes_.data(), static_cast<int>(bytes_.size()), &expanded,
                                    &length) != ARES_SUCCESS) {
      sound_ = false;
      return {};
    }
    std::string name = expanded;
    ares_free_string(expanded);
    at_ += static_cast<size_t>(length);
    return name;
  }

 private:
  bool has(size_t count) {
    sound_ = sound_ && count <= bytes_.size() - at_;
    return sound_;
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool sound_ = true;
};

// False: it is of another type.
bool read_data(Cursor& cursor, size_t length, DnsRecord& record) {
  if (record.type == DnsType::srv && length > 6) {
    record.priority = cursor.take16();
    record.weight = cursor.take16();
    record.port = cursor.take16();
    record.target = cursor.take_name();
    return true;
  }
  if (record.type == DnsType::a && length == 4) {
    record.addr = IpAddr::from_ipv4(Be32::from_host(cursor.take32()));
    return true;
  }
  if (record.type == DnsType::aaaa && length == 16) {
    const std::span<const uint8_t> bytes = cursor.take(length);
    std::ranges::copy(bytes, record.addr.bytes.begin());
    return true;
  }
  return false;
}

std::vector<DnsRecord> read_records(Cursor& cursor, size_t count) {
  std::vector<DnsRecord> records;
  for (size_t i = 0; i < count && cursor.sound() && records.size() < kDnsRecordMax; ++i) {
    DnsRecord record;
    record.name = cursor.take_name();
    record.type = DnsType{cursor.take16()};
    const uint16_t record_class = cursor.take16();
    record.ttl_s = cursor.take32();
    const size_t length = cursor.take16();
    const size_t end = cursor.at() + length;
    const bool known = record_class == kClassIn && read_data(cursor, length, record);
    cursor.go_to(end);
    if (known && cursor.sound()) records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

std::optional<DnsMessage> parse_dns_message(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  Cursor cursor(bytes);
  cursor.go_to(4);  // behind id and flags
  const size_t questions = cursor.take16();
  const size_t answers = cursor.take16();
  const size_t authorities = cursor.take16();
  const size_t additional = cursor.take16();
  for (size_t i = 0; i < questions && cursor.sound(); ++i) {
    cursor.take_name();
    cursor.take32();  // type and class
  }
  DnsMessage message;
  message.answers = read_records(cursor, answers);
  read_records(cursor, authorities);
  message.additional = read_records(cursor, additional);
  if (!cursor.sound()) return std::nullopt;
  return message;
}

}  // namespace millrace::control
