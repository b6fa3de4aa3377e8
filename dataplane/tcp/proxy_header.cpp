#include "dataplane/tcp/proxy_header.h"

#include <arpa/inet.h>
#include <rte_hash_crc.h>

#include <array>
#include <cassert>
#include <charconv>
#include <cstring>

namespace millrace {
namespace {

// Section 2.2: a signature that no other protocol starts with.
constexpr std::array<uint8_t, 12> kSignature = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr uint8_t kVersion2Proxy = 0x21;  // version 2, command PROXY
constexpr uint8_t kIpv4Stream = 0x11;
constexpr uint8_t kIpv6Stream = 0x21;
constexpr size_t kFixedBytes = 16;  // up to and with the length, which counts what follows
constexpr size_t kLengthOffset = 14;

enum class TlvType : uint8_t { authority = 0x02, crc32c = 0x03, unique_id = 0x05 };

// Fills `out` from its front. The longest header fits, so nothing asks for room again.
class HeaderWriter {
 public:
  explicit HeaderWriter(std::span<uint8_t, kProxyHeaderBytesMax> out) : out_(out) {}

  void byte(uint8_t value) {
    assert(count_ < out_.size());
    out_[count_++] = value;
  }
  void be16(size_t value) {
    byte(static_cast<uint8_t>(value >> 8));
    byte(static_cast<uint8_t>(value));
  }
  void bytes(const void* from, size_t count) {
    assert(count <= out_.size() - count_);
    std::memcpy(out_.data() + count_, from, count);
    count_ += count;
  }
  void text(std::string_view value) { bytes(value.data(), value.size()); }
  void tlv(TlvType type, std::string_view value) {
    byte(static_cast<uint8_t>(type));
    be16(value.size());
    text(value);
  }
  void set_be16(size_t offset, size_t value) {
    out_[offset] = static_cast<uint8_t>(value >> 8);
    out_[offset + 1] = static_cast<uint8_t>(value);
  }
  void set_be32(size_t offset, uint32_t value) {
    set_be16(offset, value >> 16);
    set_be16(offset + 2, value & 0xffff);
  }

  size_t count() const { return count_; }
  std::span<const uint8_t> written() const { return out_.first(count_); }

 private:
  std::span<uint8_t, kProxyHeaderBytesMax> out_;
  size_t count_ = 0;
};

// format_ip() without its std::string.
void write_address_text(HeaderWriter& out, const IpAddr& addr) {
  char text[INET6_ADDRSTRLEN] = "";
  if (addr.is_ipv4())
    inet_ntop(AF_INET, addr.bytes.data() + 12, text, sizeof text);
  else
    inet_ntop(AF_INET6, addr.bytes.data(), text, sizeof text);
  out.text(text);
}

void write_port_text(HeaderWriter& out, Be16 port) {
  char digits[5];
  const char* const end = std::to_chars(digits, digits + sizeof digits, port.host()).ptr;
  out.text({digits, end});
}

void write_v1(HeaderWriter& out, const ProxyHeaderFacts& facts) {
  out.text(facts.source.addr.is_ipv4() ? "PROXY TCP4 " : "PROXY TCP6 ");
  write_address_text(out, facts.source.addr);
  out.text(" ");
  write_address_text(out, facts.destination.addr);
  out.text(" ");
  write_port_text(out, facts.source.port);
  out.text(" ");
  write_port_text(out, facts.destination.port);
  out.text("\r\n");
}

void write_address(HeaderWriter& out, const IpAddr& addr) {
  if (addr.is_ipv4())
    out.bytes(addr.bytes.data() + 12, 4);
  else
    out.bytes(addr.bytes.data(), 16);
}

void write_unique_id(HeaderWriter& out, uint64_t id) {
  char hex[16];
  for (unsigned i = 0; i < sizeof hex; ++i) hex[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 0xf];
  out.tlv(TlvType::unique_id, {hex, sizeof hex});
}

// CRC-32C (RFC 4960 appendix B): all ones at the start, inverted at the end. Both are left to the caller of DPDK's
// function, and words are copied out because it would load them from wherever they lie.
uint32_t crc32c(std::span<const uint8_t> bytes) {
  uint32_t crc = ~uint32_t{0};
  for (; bytes.size() >= sizeof(uint64_t); bytes = bytes.subspan(sizeof(uint64_t))) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    crc = rte_hash_crc_8byte(word, crc);
  }
  for (const uint8_t byte : bytes) crc = rte_hash_crc_1byte(byte, crc);
  return ~crc;
}

void write_v2(HeaderWriter& out, const ProxyHeaderFacts& facts) {
  out.bytes(kSignature.data(), kSignature.size());
  out.byte(kVersion2Proxy);
  out.byte(facts.source.addr.is_ipv4() ? kIpv4Stream : kIpv6Stream);
  out.be16(0);  // the length, when it is known
  write_address(out, facts.source.addr);
  write_address(out, facts.destination.addr);
  out.be16(facts.source.port.host());
  out.be16(facts.destination.port.host());
  if (!facts.authority.empty()) out.tlv(TlvType::authority, facts.authority);
  write_unique_id(out, facts.unique_id);
  // Section 2.2.3: the checksum covers the whole header, itself as zeros.
  out.tlv(TlvType::crc32c, {"\0\0\0", 4});
  out.set_be16(kLengthOffset, out.count() - kFixedBytes);
  out.set_be32(out.count() - 4, crc32c(out.written()));
}

}  // namespace

size_t write_proxy_header(ProxyProtocol version, const ProxyHeaderFacts& facts,
                          std::span<uint8_t, kProxyHeaderBytesMax> out) {
  assert(facts.source.addr.family() == facts.destination.addr.family());
  assert(facts.authority.size() <= kAuthorityBytesMax);
  HeaderWriter writer(out);
  if (version == ProxyProtocol::v1) write_v1(writer, facts);
  if (version == ProxyProtocol::v2) write_v2(writer, facts);
  return writer.count();
}

}  // namespace millrace
