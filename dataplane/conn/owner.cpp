#include "dataplane/conn/owner.h"

#include <stdexcept>
#include <string>

#include "millrace/limits.h"

namespace millrace {

constexpr std::array<uint8_t, kRssKeyBytes> kRssKey = {0xe4, 0xe1, 0xb4, 0x58, 0x01, 0x1b, 0xcf, 0x6e, 0x0a, 0xaf,
                                                       0x1f, 0x16, 0x53, 0x2e, 0xc5, 0xba, 0x4f, 0x5b, 0xaf, 0x33,
                                                       0x8c, 0x00, 0x78, 0x5f, 0xd7, 0xb8, 0x98, 0x83, 0x7c, 0x99,
                                                       0x97, 0x26, 0xd5, 0x22, 0xdd, 0x0d, 0xe2, 0xd8, 0xe1, 0xd6};

namespace {

constexpr ToeplitzTable kTable{kRssKey};

// Where the fields stand in the RSS input: source address, destination address, source port, destination port.
constexpr size_t kDst4 = 4, kSrcPort4 = 8, kDstPort4 = 10;
constexpr size_t kDst6 = 16, kSrcPort6 = 32, kDstPort6 = 34;

std::span<const uint8_t, 4> ipv4_bytes(const IpAddr& addr) { return std::span(addr.bytes).last<4>(); }

}  // namespace

Owner::Owner(unsigned worker_count, std::span<const uint8_t> reta) : worker_count_(worker_count) {
  if (worker_count == 0 || worker_count > kWorkerMax)
    throw std::invalid_argument("there must be 1 to " + std::to_string(kWorkerMax) + " workers");
  if (reta.size() > kRetaSize)
    throw std::invalid_argument("a redirection table has at most " + std::to_string(kRetaSize) + " entries");
  for (uint8_t worker : reta)
    if (worker >= worker_count)
      throw std::invalid_argument("the redirection table names worker " + std::to_string(worker) + " of " +
                                  std::to_string(worker_count));
  for (unsigned i = 0; i < kRetaSize; ++i)
    reta_[i] = reta.empty() ? static_cast<uint8_t>(i % worker_count) : reta[i % reta.size()];
}

void Owner::limit_reta(unsigned size) {
  for (unsigned i = size; i < kRetaSize; ++i) reta_[i] = reta_[i % size];
}

uint32_t Owner::rss_hash(const IpAddr& src, Be16 src_port, const IpAddr& dst, Be16 dst_port) {
  if (src.is_ipv4())
    return kTable.part(0, ipv4_bytes(src)) ^ kTable.part(kDst4, ipv4_bytes(dst)) ^
           kTable.part16(kSrcPort4, src_port.host()) ^ kTable.part16(kDstPort4, dst_port.host());
  return kTable.part(0, src.bytes) ^ kTable.part(kDst6, dst.bytes) ^ kTable.part16(kSrcPort6, src_port.host()) ^
         kTable.part16(kDstPort6, dst_port.host());
}

uint32_t Owner::dst_port_part(Family family, Be16 dst_port) {
  return kTable.part16(family == Family::ipv4 ? kDstPort4 : kDstPort6, dst_port.host());
}

}  // namespace millrace
