"""Pings to addresses that only the dataplane has."""
import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, TTL, V4, V6, assert_same, host_mac, next_id
from harness.network import BACK_MAC, FRONT_MAC

WORKERS = (1, 2, 4)
REPLY_TTL = 64
sizes = pytest.mark.parametrize("size", [0, 1, 56, 1400])


def ping4(source, target, kind="echo-request", **fields):
    return IP(src=source, dst=target, id=7, flags="DF", ttl=fields.pop("ttl", TTL)) / ICMP(type=kind, **fields)


@sizes
def test_vip4(bench, size):
    number, body = next_id() & 0xffff, b"p" * size
    bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / ping4(V4.client, V4.vip, id=9, seq=number) / body)
    got = bench.client.take(lambda frame: ICMP in frame and frame[ICMP].seq == number)
    assert_same(got, Ether(src=FRONT_MAC, dst=CLIENT_MAC) /
                ping4(V4.vip, V4.client, "echo-reply", id=9, seq=number, ttl=REPLY_TTL) / body, "ping")


@sizes
def test_vip6(bench, size):
    number, body = next_id() & 0xffff, b"p" * size
    bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / IPv6(src=V6.client, dst=V6.vip, hlim=TTL) /
                      ICMPv6EchoRequest(id=9, seq=number, data=body))
    got = bench.client.take(lambda frame: ICMPv6EchoReply in frame and frame[ICMPv6EchoReply].seq == number)
    assert_same(got, Ether(src=FRONT_MAC, dst=CLIENT_MAC) / IPv6(src=V6.vip, dst=V6.client, hlim=REPLY_TTL) /
                ICMPv6EchoReply(id=9, seq=number, data=body), "ping")


def test_snat_address(bench):
    number = next_id() & 0xffff
    source, target = V4.backends[0], V4.snat[1]
    bench.backend.send(Ether(src=host_mac(source), dst=BACK_MAC) / ping4(source, target, id=9, seq=number))
    got = bench.backend.take(lambda frame: ICMP in frame and frame[ICMP].seq == number)
    assert_same(got, Ether(src=BACK_MAC, dst=host_mac(source)) /
                ping4(target, source, "echo-reply", id=9, seq=number, ttl=REPLY_TTL), "ping")


def test_broken_checksum(bench):
    bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / ping4(V4.client, V4.vip, id=9, seq=1, chksum=0x1234))
    bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / IPv6(src=V6.client, dst=V6.vip) /
                      ICMPv6EchoRequest(id=9, seq=1, cksum=0x1234))
    bench.expect_drops("bad_l4_checksum", 2)
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: ICMP in frame or ICMPv6EchoReply in frame)


def test_other_types(bench):
    """Timestamp and address mask tell strangers about a host; a VIP is none."""
    for kind in ("timestamp-request", "address-mask-request", "echo-reply"):
        bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / ping4(V4.client, V4.vip, kind))
    bench.expect_drops("icmp_unsupported", 3)
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: ICMP in frame)
