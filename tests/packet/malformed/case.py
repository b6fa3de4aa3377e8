"""Broken packets by class: each is counted under its reason, none hurts the connections beside it.

By af_packet, where every frame comes to the dataplane. A frame shorter than an Ethernet header cannot be put on a
veth: tests/unit/stages checks that one. IPv4 fragments are put together by the kernel before af_packet sees them:
fragments sends those.
"""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Ether

from harness.flow import CLIENT_MAC, FAMILIES, V4, V6
from harness.network import FRONT_MAC

WORKERS = (1, 2, 4)
ETHER = Ether(src=CLIENT_MAC, dst=FRONT_MAC)
BESIDE = 5  # of each broken frame, between real connections


def v4(**fields):
    return IP(**({"src": V4.client, "dst": V4.vip} | fields))


def v6(**fields):
    return IPv6(**({"src": V6.client, "dst": V6.vip} | fields))


def syn(**fields):
    return TCP(**({"sport": 4000, "dport": 80, "flags": "S"} | fields))


def query(**fields):
    return UDP(**({"sport": 4000, "dport": 53} | fields)) / b"query"


def cut(packet, length):
    """The first bytes of a finished frame, header fields as they were."""
    return bytes(ETHER / packet)[:length]


def cut_l4(address_layer, payload):
    """An IP packet that honestly says it is so short: the frame ends inside the L4 header."""
    return ETHER / address_layer / payload


def patched(packet, offset, value):
    frame = bytearray(bytes(ETHER / packet))
    frame[offset] = value
    return bytes(frame)


BROKEN = {
    "ipv4 header cut": ("short_l3", cut(v4() / syn(), 14 + 19)),
    "ipv4 header missing": ("short_l3", cut(v4() / syn(), 14)),
    "ipv6 header cut": ("short_l3", cut(v6() / syn(), 14 + 39)),
    "tcp header cut": ("short_l4", cut_l4(v4(proto=6), bytes(syn())[:19])),
    "tcp header cut, ipv6": ("short_l4", cut_l4(v6(nh=6), bytes(syn())[:19])),
    "udp header cut": ("short_l4", cut_l4(v4(proto=17), bytes(query())[:7])),
    "icmp header cut": ("short_l4", cut_l4(v4(proto=1), bytes(ICMP())[:7])),
    "ipv4 says version 6": ("bad_ip_version", patched(v4() / syn(), 14, 0x65)),
    "ipv6 says version 4": ("bad_ip_version", patched(v6() / syn(), 14, 0x40)),
    "header length 16": ("bad_ihl", ETHER / v4(ihl=4) / syn()),
    "header length past the end": ("bad_ihl", cut(v4(ihl=15) / syn(), 14 + 40)),
    "total length past the end": ("bad_ip_length", ETHER / v4(len=41) / syn()),
    "total length below the header": ("bad_ip_length", ETHER / v4(len=19) / syn()),
    "payload length past the end": ("bad_ip_length", ETHER / v6(plen=21) / syn()),
    "ipv4 checksum": ("bad_ip_checksum", ETHER / v4(chksum=0x1234) / syn()),
    "tcp checksum": ("bad_l4_checksum", ETHER / v4() / syn(chksum=0x1234)),
    "tcp checksum, ipv6": ("bad_l4_checksum", ETHER / v6() / syn(chksum=0x1234)),
    "udp checksum": ("bad_l4_checksum", ETHER / v4() / query(chksum=0x1234)),
    "udp checksum, ipv6": ("bad_l4_checksum", ETHER / v6() / query(chksum=0x1234)),
    "data offset 16": ("bad_data_offset", ETHER / v4() / syn(dataofs=4)),
    "data offset past the end": ("bad_data_offset", ETHER / v4() / syn(dataofs=15)),
    "data offset past the end, ipv6": ("bad_data_offset", ETHER / v6() / syn(dataofs=6)),
    "udp length 7": ("bad_udp_length", ETHER / v4() / query(len=7)),
    "udp length past the end": ("bad_udp_length", ETHER / v4() / query(len=14)),
    "udp length past the end, ipv6": ("bad_udp_length", ETHER / v6() / query(len=14)),
    "syn and fin": ("bad_tcp_flags", ETHER / v4() / syn(flags="SF")),
    "syn and rst": ("bad_tcp_flags", ETHER / v4() / syn(flags="SR")),
    "no flags": ("bad_tcp_flags", ETHER / v6() / syn(flags="")),
    "source port 0": ("zero_port", ETHER / v4() / syn(sport=0)),
    "destination port 0": ("zero_port", ETHER / v4() / syn(dport=0)),
    "udp source port 0, ipv6": ("zero_port", ETHER / v6() / query(sport=0)),
    "land": ("land", ETHER / v4(src=V4.vip) / syn(sport=80)),
    "land, ipv6": ("land", ETHER / v6(src=V6.vip) / syn(sport=80)),
    "multicast source": ("bad_source", ETHER / v4(src="224.0.0.5") / syn()),
    "loopback source": ("bad_source", ETHER / v4(src="127.0.0.1") / syn()),
    "broadcast source": ("bad_source", ETHER / v4(src="255.255.255.255") / syn()),
    "no source": ("bad_source", ETHER / v4(src="0.0.0.0") / syn()),
    "multicast source, ipv6": ("bad_source", ETHER / v6(src="ff02::1") / syn()),
    "no source, ipv6": ("bad_source", ETHER / v6(src="::") / syn()),
    "fragment, ipv6": ("fragment", ETHER / v6() / IPv6ExtHdrFragment(m=1, nh=6) / syn()),
    "authentication header": ("ip_extension", ETHER / v6(nh=51) / bytes(24)),
    "hop-by-hop options not first": ("ip_extension", ETHER / v6() / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / syn()),
    "source route": ("ip_options", ETHER / v4(options=b"\x83\x07\x04\x0a\0\0\x01\0") / syn()),
    "gre": ("unknown_proto", ETHER / v4(proto=47) / bytes(20)),
    "sctp, ipv6": ("unknown_proto", ETHER / v6(nh=132) / bytes(20)),
    "arp of odd lengths": ("arp_malformed", ETHER / ARP(op=1, hwlen=5, psrc=V4.client, pdst=V4.vip)),
    "arp cut": ("arp_malformed", cut(ARP(op=1, psrc=V4.client, pdst=V4.vip), 14 + 27)),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_class(bench, broken):
    reason, frame = BROKEN[broken]
    flow = bench.tcp(V4, 80).open()
    for number in range(BESIDE):
        bench.client.send(frame)
        flow.client_sends(b"%d" % number)
        flow.backend_sends(b"%d" % number)
    flow.close()
    bench.expect_drops(reason, BESIDE)
    bench.wait_drops()
    bench.nothing_for_client(lambda got: TCP in got or UDP in got or ICMP in got, seconds=0.05)


def test_all_at_once(bench):
    for reason, frame in BROKEN.values():
        bench.client.send(frame)
        bench.expect_drops(reason)
    bench.check_traffic()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_padding_is_no_breakage(bench, family):
    """Ethernet pads short frames; the padding is not the packet's and goes no further."""
    flow = bench.tcp(family, 80)
    bench.client.send(bytes(flow.client_frame(flow.syn())) + bytes(18))
    flow.arrives_at_backend(flow.syn())
