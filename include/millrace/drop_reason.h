// drop_reason.h: why a packet ended here. One list: counter, metric label, CLI text and docs come from it.
// Order is ABI: append only (kLayoutHash covers the count).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace {

// X(name, sentence)
#define MR_DROP_REASONS(X)                                                                          \
  X(short_l2, "frame shorter than an Ethernet header")                                              \
  X(short_l3, "frame ends inside the IP header")                                                    \
  X(short_l4, "frame ends inside the TCP, UDP or ICMP header")                                      \
  X(bad_ip_version, "IP version does not match the EtherType")                                      \
  X(bad_ihl, "IPv4 header length below 20 bytes or past the packet (RFC 791 section 3.1)")          \
  X(bad_ip_length, "IP total or payload length does not fit the frame")                             \
  X(bad_ip_checksum, "IPv4 header checksum is wrong (RFC 1812 section 5.2.2)")                      \
  X(bad_l4_checksum, "TCP, UDP or ICMP checksum is wrong")                                          \
  X(bad_data_offset, "TCP data offset below 20 bytes or past the packet (RFC 9293 section 3.1)")    \
  X(bad_udp_length, "UDP length does not fit the packet (RFC 768)")                                 \
  X(bad_tcp_flags, "impossible TCP flags: SYN+FIN, SYN+RST, or none")                               \
  X(zero_port, "source or destination port 0")                                                      \
  X(land, "source equals destination")                                                              \
  X(bad_source, "source address is multicast, broadcast, loopback or unspecified (RFC 1812 5.3.7)") \
  X(ttl_expired, "TTL or hop limit would reach 0")                                                  \
  X(fragment, "fragment that cannot be, or of a packet that we want whole: SYN, handshake, ICMP")   \
  X(ip_extension, "IPv6 extension headers that are cut off, too many, or not supported")            \
  X(unknown_proto, "neither TCP, UDP nor ICMP, to a VIP or SNAT address")                           \
  X(no_service, "to a VIP or SNAT address, but no service has this port")                           \
  X(no_connection, "to a SNAT port, or TCP without SYN, and part of no connection")                 \
  X(no_backend, "no backend of the packet's family is up and enabled")                              \
  X(no_snat_port, "no free SNAT port towards the backend")                                          \
  X(slab_full, "every connection slot is in use by an active one; raise [dataplane] connections")   \
  X(table_full, "the connection index has no room for the key")                                     \
  X(no_route, "the kernel has no route to the next hop, or it leaves by no port of ours")           \
  X(neighbour_timeout, "the next hop did not answer ARP or ND in time")                             \
  X(hold_full, "too many packets already wait for neighbours")                                      \
  X(handover_full, "the owner's hand-over ring is full")                                            \
  X(tx_full, "the port did not take the packet for transmission")                                   \
  X(icmp_unknown_flow, "ICMP error about no connection of ours")                                    \
  X(icmp_unsupported, "ICMP type that is neither echo request nor a translatable error")            \
  X(icmp_malformed, "ICMP error whose inner packet is cut short")                                   \
  X(icmp_rate, "ICMP answers of this worker are over their rate")                                   \
  X(mtu_exceeded, "packet is larger than the MTU of the port it leaves by")                         \
  X(no_mbuf, "no packet buffer was free")                                                           \
  X(not_ours, "not ours, and the port has no kernel side to pass it to")                            \
  X(arp_malformed, "ARP or neighbour-discovery packet with impossible fields")                      \
  X(no_config, "the control plane has not sent a configuration yet")                                \
  X(bad_cookie, "ACK to a proxied service without a connection, and no valid SYN cookie")           \
  X(out_of_window, "segment of a proxied handshake with impossible sequence numbers (RFC 5961)")    \
  X(hello_full, "no buffer to hold a ClientHello, or it is longer than the window we gave")         \
  X(ip_options, "IPv4 options that cannot be read, or with a source route (RFC 7126 section 4)")    \
  X(fragment_tiny, "TCP or UDP header in more than one fragment (RFC 1858, RFC 3128, RFC 7112)")    \
  X(fragment_overlap, "fragment whose bytes came before, or that contradicts others (RFC 5722)")    \
  X(fragment_full, "too many fragments wait for the first one of their packet")                     \
  X(fragment_timeout, "the first fragment of the packet did not come in time")                      \
  X(fragment_orphan, "fragment of a packet whose first fragment made or found no connection")       \
  X(dsr_off_link, "backend of a dsr service is behind a router, not on a port's own link")          \
  X(tunnel_error, "ICMP error about a tunnel, other than that the packet was too big")              \
  X(backends_full, "every eligible backend of the service has its max_connections open")            \
  X(service_full, "the service has its max_connections open")                                       \
  X(punt_rate, "for the kernel, but of a kind that comes faster than [dataplane] punt_rate")        \
  X(access_denied, "the access rules of the service do not let this client in")                     \
  X(connection_rate, "new connections come faster than the service's connection_rate")              \
  X(packet_rate, "packets come faster than the service's packet_rate")                              \
  X(source_rate, "connections or packets come faster than the service takes of one source")         \
  X(blocked, "the source is on the blocklist and the destination is a VIP")                         \
  X(unknown_vlan, "of a VLAN that no port of the device has, and there is no kernel beside it")

enum class DropReason : uint8_t {
#define X(name, sentence) name,
  MR_DROP_REASONS(X)
#undef X
};

inline constexpr std::array kDropReasonNames = {
#define X(name, sentence) std::string_view{#name},
    MR_DROP_REASONS(X)
#undef X
};

inline constexpr std::array kDropReasonSentences = {
#define X(name, sentence) std::string_view{sentence},
    MR_DROP_REASONS(X)
#undef X
};

inline constexpr uint32_t kDropReasonCount = kDropReasonNames.size();
static_assert(kDropReasonCount <= 64, "WorkerCounters has room for 64 drop counters");

}  // namespace millrace
