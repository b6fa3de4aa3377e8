"""Packets too large for the port they leave by: the sender is told, so that path MTU discovery works through us."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6

from harness.flow import FAMILIES, V4, assert_icmp_checksums
from harness.pieces import gather

WORKERS = (1, 2, 4)
MTU = 1300
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def largest_payload(family):
    return MTU - (20 if family is V4 else 40) - 20


@both_families
def test_just_fits(bench, family):
    flow = bench.tcp(family, 80).open()
    flow.client_sends(b"x" * largest_payload(family))
    flow.backend_sends(b"x" * largest_payload(family))


@both_families
def test_one_byte_more(bench, family):
    flow = bench.tcp(family, 80).open()
    sent = flow.client_frame(flow.client_segment("PA", b"x" * (largest_payload(family) + 1)))
    bench.client.send(sent)
    kind = ICMP if family is V4 else ICMPv6PacketTooBig
    got = bench.client.take(lambda frame: kind in frame)
    quoted = bytes(got[kind].payload)
    assert quoted == bytes(sent[1])[:len(quoted)] and len(quoted) >= 500
    assert got[1].src == family.vip and got[1].dst == family.client
    if family is V4:
        assert (got[ICMP].type, got[ICMP].code, got[ICMP].nexthopmtu) == (3, 4, MTU)
    else:
        assert got[ICMPv6PacketTooBig].mtu == MTU and len(got[IPv6]) <= 1280
    assert_icmp_checksums(got)


def test_rfc791_without_df_it_is_cut(bench):
    flow = bench.tcp(V4, 80).open()
    segment = flow.client_segment("PA", bytes(range(250)) * 5 + b"x" * 150)
    bench.client.send(flow.client_frame(segment, flags=0))
    frames = gather(bench.backend, 2)
    assert all(len(frame.original) <= 14 + MTU for frame in frames)
    got = bench.backend.take(lambda frame: TCP in frame)
    assert bytes(got[TCP].payload) == bytes(segment.payload)
    again = got.copy()
    del again[TCP].chksum, again[IP].chksum
    assert bytes(again) == got.original
    bench.nothing_for_client(lambda frame: ICMP in frame)
