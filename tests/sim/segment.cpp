// segment.cpp: frames made. Read by read_frame.cpp.
#include "tests/sim/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "tests/sim/internet_checksum.h"

namespace millrace::sim {
namespace {

constexpr uint8_t kNop = 1;

void put16(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void put32(Bytes& out, uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
void set16(Bytes& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

Bytes mss_option(uint16_t mss) { return {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss)}; }

Bytes timestamps_option(const Timestamps& timestamps) {
  Bytes out = {8, 10};
  put32(out, timestamps.value);
  put32(out, timestamps.echo);
  return out;
}

Bytes sack_option(const std::vector<SackBlock>& blocks) {
  Bytes out = {5, static_cast<uint8_t>(2 + 8 * blocks.size())};
  for (const SackBlock& block : blocks) {
    put32(out, block.left);
    put32(out, block.right);
  }
  return out;
}

Bytes fast_open_option(const Bytes& cookie) {
  Bytes out = {34, static_cast<uint8_t>(2 + cookie.size())};
  out.insert(out.end(), cookie.begin(), cookie.end());
  return out;
}

// One option each, in the order in which Linux writes them.
std::vector<Bytes> option_list(const TcpOptions& options) {
  std::vector<Bytes> list;
  if (options.mss) list.push_back(mss_option(*options.mss));
  if (options.sack_permitted) list.push_back({4, 2});
  if (options.timestamps) list.push_back(timestamps_option(*options.timestamps));
  if (options.window_scale) list.push_back({3, 3, *options.window_scale});
  if (!options.sack.empty()) list.push_back(sack_option(options.sack));
  if (options.fast_open) list.push_back(fast_open_option(*options.fast_open));
  if (options.experimental) list.push_back({253, 4, 0x4d, 0x52});
  return list;
}

// NOPs before an option, so that what follows its first two bytes is aligned, or all of a window scale is.
void align_for(Bytes& out, const Bytes& option) {
  const size_t head = option[0] == 3 ? 3 : option[0] == 2 ? 0 : 2;
  while ((out.size() + head) % 4 != 0) out.push_back(kNop);
}

Bytes written_options(const TcpOptions& options, OptionLayout layout) {
  std::vector<Bytes> list = option_list(options);
  Bytes out;
  if (list.empty()) return out;
  if (layout == OptionLayout::odd) {
    std::ranges::reverse(list);
    out.push_back(kNop);
  }
  for (const Bytes& option : list) {
    if (layout == OptionLayout::aligned) align_for(out, option);
    out.insert(out.end(), option.begin(), option.end());
  }
  // NOPs where the layout is aligned, else "end of list" and zeros (RFC 9293 section 3.1).
  out.resize((out.size() + 3) / 4 * 4, layout == OptionLayout::aligned ? kNop : 0);
  return out;
}

Bytes tcp_bytes(const Path& path, const Segment& segment) {
  Bytes out;
  out.reserve(60 + segment.payload.size());
  const Bytes options = written_options(segment.options, segment.layout);
  put16(out, path.src.port.host());
  put16(out, path.dst.port.host());
  put32(out, segment.seq);
  put32(out, segment.ack);
  put16(out, static_cast<uint32_t>((20 + options.size()) / 4 << 12 | segment.flags));
  put16(out, segment.window);
  put16(out, 0);
  put16(out, segment.urgent);
  out.insert(out.end(), options.begin(), options.end());
  out.insert(out.end(), segment.payload.begin(), segment.payload.end());
  set16(out, 16, upper_checksum(path.src.addr, path.dst.addr, 6, out));
  return out;
}

std::span<const uint8_t> wire_address(const IpAddr& addr) {
  return std::span(addr.bytes).subspan(addr.is_ipv4() ? 12 : 0);
}

void put_ip_header(Bytes& out, const Path& path, size_t tcp_bytes) {
  const size_t begin = out.size();
  if (path.src.addr.is_ipv4()) {
    put16(out, 0x4500);
    put16(out, static_cast<uint32_t>(20 + tcp_bytes));
    put32(out, 0x0000'4000);  // don't fragment
    put32(out, 0x4006'0000);  // TTL 64, TCP
  } else {
    put32(out, 0x6000'0000);
    put16(out, static_cast<uint32_t>(tcp_bytes));
    put16(out, 0x0640);
  }
  for (const IpAddr& addr : {path.src.addr, path.dst.addr}) {
    const std::span<const uint8_t> bytes = wire_address(addr);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  if (path.src.addr.is_ipv4()) set16(out, begin + 10, internet_checksum(std::span(out).subspan(begin)));
}

std::string options_text(const TcpOptions& options) {
  std::string text;
  if (options.mss) text += fmt::format(" mss {}", *options.mss);
  if (options.sack_permitted) text += " sackOK";
  if (options.window_scale) text += fmt::format(" wscale {}", *options.window_scale);
  if (options.timestamps) text += fmt::format(" TS {} ecr {}", options.timestamps->value, options.timestamps->echo);
  for (const SackBlock& block : options.sack) text += fmt::format(" sack {}-{}", block.left, block.right);
  if (options.fast_open) text += " tfo";
  if (options.experimental) text += " exp";
  return text;
}

}  // namespace

unsigned option_bytes(const TcpOptions& options, OptionLayout layout) {
  return static_cast<unsigned>(written_options(options, layout).size());
}

Bytes make_frame(const Path& path, const Segment& segment) {
  const Bytes tcp = tcp_bytes(path, segment);
  Bytes out;
  out.reserve(54 + tcp.size());
  out.insert(out.end(), path.dst_mac.bytes.begin(), path.dst_mac.bytes.end());
  out.insert(out.end(), path.src_mac.bytes.begin(), path.src_mac.bytes.end());
  put16(out, path.src.addr.is_ipv4() ? 0x0800 : 0x86dd);
  put_ip_header(out, path, tcp.size());
  out.insert(out.end(), tcp.begin(), tcp.end());
  return out;
}

std::string Segment::text() const {
  static constexpr char kLetters[] = "FSRPAUEC";
  std::string letters;
  for (unsigned bit = 0; bit < 8; ++bit)
    if (flags >> bit & 1) letters += kLetters[bit];
  std::string line = fmt::format("{:<4} seq {}", letters, seq);
  if (!payload.empty()) line += fmt::format("+{}", payload.size());
  if (has(kAck)) line += fmt::format(" ack {}", ack);
  line += fmt::format(" win {}", window);
  if (has(kUrg)) line += fmt::format(" urg {}", urgent);
  return line + options_text(options);
}

}  // namespace millrace::sim
