"""ARP and neighbour discovery for VIPs and SNAT addresses, and their announcement at start."""
import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.utils6 import in6_getnsma, in6_getnsmac
import socket

from harness.flow import CLIENT_MAC, V4, V6, host_mac
from harness.network import BACK_MAC, FRONT_MAC

WORKERS = (1, 2, 4)
BROADCAST = "ff:ff:ff:ff:ff:ff"


def solicitation(mac, source, target, options=True):
    group = in6_getnsma(socket.inet_pton(socket.AF_INET6, target))
    asks = (Ether(src=mac, dst=in6_getnsmac(group)) /
            IPv6(src=source, dst=socket.inet_ntop(socket.AF_INET6, group), hlim=255) / ICMPv6ND_NS(tgt=target))
    return asks / ICMPv6NDOptSrcLLAddr(lladdr=mac) if options else asks


def sides(bench, family):
    """(wire, our machine's MAC, its address, the balancer's MAC, addresses that are the dataplane's there)"""
    backend = family.backends[0]
    return [(bench.client, CLIENT_MAC, family.client, FRONT_MAC, [family.vip]),
            (bench.backend, host_mac(backend), backend, BACK_MAC, family.snat)]


def test_arp(bench):
    for wire, mac, address, balancer, owned in sides(bench, V4):
        for target in owned:
            wire.send(Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc=address, pdst=target))
            got = wire.take(lambda frame: ARP in frame and frame[ARP].op == 2 and frame[ARP].psrc == target)
            assert (got.src, got.dst) == (balancer, mac)
            assert (got[ARP].hwsrc, got[ARP].hwdst, got[ARP].pdst) == (balancer, mac, address)


def test_neighbour_discovery(bench):
    for wire, mac, address, balancer, owned in sides(bench, V6):
        for target in owned:
            wire.send(solicitation(mac, address, target))
            got = wire.take(lambda frame: ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == target)
            assert (got.src, got.dst, got[IPv6].src, got[IPv6].dst) == (balancer, mac, target, address)
            assert (got[ICMPv6ND_NA].R, got[ICMPv6ND_NA].S, got[ICMPv6ND_NA].O) == (0, 1, 1)
            assert got[ICMPv6NDOptDstLLAddr].lladdr == balancer and got[IPv6].hlim == 255


def test_duplicate_address_detection(bench):
    """A machine that wants our address learns, as all do, that it is taken (RFC 4862 section 5.4.3)."""
    bench.client.send(solicitation(CLIENT_MAC, "::", V6.vip, options=False))
    got = bench.client.take(lambda frame: ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == V6.vip)
    assert (got.dst, got[IPv6].dst, got[ICMPv6ND_NA].S) == ("33:33:00:00:00:01", "ff02::1", 0)


def test_the_kernels_address_is_the_kernels(bench):
    bench.client.send(Ether(src=CLIENT_MAC, dst=BROADCAST) / ARP(op=1, hwsrc=CLIENT_MAC, psrc=V4.client, pdst="203.0.113.1"))
    answers = [bench.client.take(lambda frame: ARP in frame and frame[ARP].op == 2)]
    bench.nothing_for_client(lambda frame: ARP in frame and frame[ARP].op == 2)
    assert answers[0][ARP].psrc == "203.0.113.1"


def test_strangers_address(bench):
    bench.client.send(Ether(src=CLIENT_MAC, dst=BROADCAST) / ARP(op=1, hwsrc=CLIENT_MAC, psrc=V4.client, pdst="203.0.113.77"))
    bench.client.send(solicitation(CLIENT_MAC, V6.client, "2001:db8:10::77"))
    bench.nothing_for_client(lambda frame: ARP in frame and frame[ARP].op == 2 or ICMPv6ND_NA in frame)


@pytest.mark.parametrize("family", [V4, V6], ids=lambda family: family.name)
def test_announced_at_start(bench, family):
    """Switches and neighbours learn at once where the addresses live now, on the wire where they are asked for."""
    for wire, _, _, balancer, owned in sides(bench, family):
        for address in owned:
            assert any(announces(frame, address, balancer) for frame in bench.first_frames[wire]), address


def announces(frame, address, mac):
    if ARP in frame:
        return frame[ARP].psrc == frame[ARP].pdst == address and (frame[ARP].hwsrc, frame.dst) == (mac, BROADCAST)
    if ICMPv6ND_NA in frame:
        return (frame[ICMPv6ND_NA].tgt == address and frame[ICMPv6NDOptDstLLAddr].lladdr == mac
                and frame[IPv6].dst == "ff02::1" and frame[ICMPv6ND_NA].S == 0)
    return False
