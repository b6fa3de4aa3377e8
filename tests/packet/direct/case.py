"""Modes dsr and tunnel: what backends get, who gets what, ICMP both ways. Both families, every encapsulation."""
import time
from contextlib import contextmanager

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether

from harness.direct import TUNNELS, WAYS, DirectFlow
from harness.flow import CLIENT_MAC, FAMILIES, TTL, V4, V6, assert_icmp_checksums, host_mac, next_id
from harness.network import BACK_MAC, FRONT_MAC
from harness.pieces import pieces, skip_without_pieces, whole

WORKERS = (1, 2, 4)
MTU = 1500
ROUTER = {V4: "10.72.9.9", V6: "fd72::99"}              # between the balancer and the backends
FAR = {V4: "203.0.113.99", V6: "2001:db8:10::99"}       # between the backends and the client
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
every_tunnel = pytest.mark.parametrize("way", TUNNELS, ids=lambda way: way.name)


def segment(flags="A", payload=b"", **fields):
    return TCP(flags=flags, seq=next_id(), ack=next_id(), **fields) / payload


def datagram(payload=b""):
    return UDP() / (next_id().to_bytes(4, "big") + payload)


def header_bytes(family):
    return 20 if family is V4 else 40


def of_size(family, ip_bytes, flags="A"):
    return segment(flags, bytes(ip_bytes - header_bytes(family) - 20))


def too_big(family, mtu):
    return ICMP(type=3, code=4, nexthopmtu=mtu) if family is V4 else ICMPv6PacketTooBig(mtu=mtu)


def is_too_big(frame):
    return (ICMP in frame and frame[ICMP].type == 3) or ICMPv6PacketTooBig in frame


def mtu_of(frame):
    return frame[ICMP].nexthopmtu if ICMP in frame else frame[ICMPv6PacketTooBig].mtu


def error_packet(family, source, target, error, about):
    if family is V4:
        return IP(src=source, dst=target, ttl=60, id=3) / error / about
    return IPv6(src=source, dst=target, hlim=60) / error / about


@contextmanager
def told(bench, verb, service, flow):
    """The flow's backend is drained or disabled inside."""
    endpoint = f"[{flow.backend}]:{flow.way.port}" if ":" in flow.backend else f"{flow.backend}:{flow.way.port}"
    try:
        bench.balancer.millctl(verb, service, endpoint)
        time.sleep(0.3)
        yield
    finally:
        bench.balancer.millctl("enable", service, endpoint)
        time.sleep(0.3)


def take_too_big(bench, family):
    """The VIP's answer to the client; its checksums are right, and it came by the client's wire."""
    got = bench.client.take(is_too_big)
    assert (got[1].src, got[1].dst, got.src, got.dst) == (family.vip, family.client, FRONT_MAC, CLIENT_MAC)
    assert_icmp_checksums(got)
    return got


@every_way
@both_families
def test_the_clients_packets_arrive_as_they_were(bench, family, way):
    """But for the TTL: SYN, data, FIN; DSCP and ECN outside as inside (RFC 6040), everything else byte for byte."""
    flow = DirectFlow(bench, family, way)
    for flags, payload in (("S", b""), ("A", b""), ("PA", b"GET / HTTP/1.0\r\n\r\n"), ("A", b"x" * 1300), ("FA", b"")):
        flow.forward(segment(flags, payload))
    [row] = bench.connections(flow)
    assert row["mode"] == ("dsr" if way.outer is None else "tunnel") and row["state"] == "client_fin"
    assert row["backend"].strip("[").startswith(flow.backend)


@every_way
@both_families
def test_datagrams(bench, family, way):
    flow = DirectFlow(bench, family, way)
    for payload in (b"", b"q", b"long" * 300):
        flow.forward(datagram(payload))
    assert [row["state"] for row in bench.connections(flow)] == ["open"]


@every_way
@both_families
def test_flows_spread_over_backends_and_sources(bench, family, way):
    """The outer source is chosen by the flow, so that ECMP spreads them; each flow keeps its own."""
    flows = [DirectFlow(bench, family, way) for _ in range(40)]
    for flow in flows:
        flow.forward(segment("S"))
    for flow in flows:
        flow.forward(segment("A"))
    assert len({flow.backend for flow in flows}) == 3
    if way.outer:
        assert len({flow.source for flow in flows}) == 4
    if way.gue_port:
        assert len({flow.source_port for flow in flows}) > 30


@every_way
@both_families
def test_a_flow_from_another_host_finds_its_backend(bench, family, way):
    """A segment without SYN: Maglev says the same on every host; the first segment and the next agree with it."""
    opened = DirectFlow(bench, family, way)
    opened.forward(segment("S"))
    opened.forward(segment("RA"))
    taken_over = DirectFlow(bench, family, way, client_port=opened.client_port)
    taken_over.forward(segment("PA", b"middle"))
    assert taken_over.backend == opened.backend


@every_way
def test_known_flows_keep_their_backend_when_the_table_changes(bench, way):
    flows = [DirectFlow(bench, V4, way) for _ in range(24)]
    for flow in flows:
        flow.forward(segment("S"))
    with told(bench, "drain", way.name, flows[0]):
        for flow in flows:
            flow.forward(segment("A"))
        fresh = [DirectFlow(bench, V4, way) for _ in range(12)]
        for flow in fresh:
            flow.forward(segment("S"))
        assert flows[0].backend not in {flow.backend for flow in fresh}


@every_way
@both_families
def test_datagrams_leave_a_disabled_backend(bench, family, way):
    """And stay with the next one; TCP stays, since nobody else knows its connection."""
    flow, tcp = DirectFlow(bench, family, way), DirectFlow(bench, family, way)
    flow.forward(datagram())
    tcp.forward(segment("S"))
    with told(bench, "disable", f"{way.name}_udp", flow), told(bench, "disable", way.name, tcp):
        moved = DirectFlow(bench, family, way, client_port=flow.client_port)
        moved.forward(datagram())
        assert moved.backend != flow.backend
        tcp.forward(segment("A"))
    moved.forward(datagram())


@every_way
@both_families
def test_just_fits_and_one_byte_more(bench, family, way):
    """RFC 1191, RFC 4443: the client hears from the VIP what fits, which is less by the tunnel's headers."""
    flow = DirectFlow(bench, family, way)
    fits = MTU - way.overhead()
    flow.forward(of_size(family, fits))
    if way.outer is None:
        return  # no client's packet is larger than the link
    sent = of_size(family, fits + 1)
    flow.send(sent)
    got = take_too_big(bench, family)
    assert mtu_of(got) == fits
    quoted = bytes(got[ICMP].payload if family is V4 else got[ICMPv6PacketTooBig].payload)
    assert quoted == bytes(flow.client_frame(sent)[1])[:len(quoted)] and len(quoted) >= 500


def unwrapped(bench, way, count):
    """The IPv4 packets in the next frames for backends, each as a frame."""
    frames = [bench.backend.take(lambda frame: frame[Ether].src == BACK_MAC) for _ in range(count)]
    assert all(len(frame.original) <= 14 + MTU for frame in frames)
    return [Ether(bytes(12) + b"\x08\0" + frame.original[14 + way.overhead():]) for frame in frames]


@every_tunnel
def test_rfc4459_without_df_it_is_cut_before_it_is_wrapped(bench, way, workers):
    """A whole packet, and fragments, one of which is cut again: the backend's stack puts together what it unwraps."""
    skip_without_pieces(V4, workers)
    flow = DirectFlow(bench, V4, way)
    flow.forward(datagram())
    bench.backend.clear()
    whole_packet = flow.client_frame(datagram(bytes(range(250)) * 5 + b"x" * 218), flags=0)
    assert len(whole_packet[IP]) == MTU
    fragments = pieces(flow.client_frame(datagram(bytes(range(250)) * 11), flags=0), size=MTU - 20)
    for sent, count in ([whole_packet], 2), (fragments, 3):
        bench.client.send(*sent)
        got = whole(unwrapped(bench, way, count))
        wanted = whole([Ether(bytes(frame)) for frame in sent]) if len(sent) > 1 else bytes(sent[0])
        assert Ether(got)[IP].ttl == TTL - 1
        assert got[14:][20:] == wanted[14:][20:] and Ether(got)[IP].id == Ether(wanted)[IP].id
    bench.nothing_for_client(is_too_big)


def mss_at_backend(bench, family, way, mss):
    flow = DirectFlow(bench, family, way)
    seq = next_id()
    flow.send(flow.syn(seq, [("MSS", mss), ("SAckOK", b""), ("NOP", None), ("NOP", None)]))
    needle = seq.to_bytes(4, "big")
    got = bench.backend.take(lambda frame: needle in frame.original)
    inner = family.layer(got.original[14 + way.overhead():])
    said = dict(inner[TCP].options)["MSS"]
    expected = flow.inside(flow.syn(seq, [("MSS", said), ("SAckOK", b""), ("NOP", None), ("NOP", None)]))
    assert bytes(inner) == bytes(expected), "another header field or the checksum"
    return said


@every_way
@both_families
def test_mss_clamp(bench, family, way):
    fits = MTU - way.overhead() - header_bytes(family) - 20
    clamps = way.name in ("ip6", "gue6")
    assert mss_at_backend(bench, family, way, 1460) == (min(fits, 1460) if clamps else 1460)
    assert mss_at_backend(bench, family, way, 1200) == 1200


@every_tunnel
@both_families
def test_too_big_from_the_fabric_reaches_the_client(bench, family, way):
    """RFC 2003 section 4, RFC 2473 section 8: it comes to the outer source and is about the outer packet."""
    flow = DirectFlow(bench, family, way)
    sent_bytes = 1400 if family is V4 else 1380  # what the backend's other family was told holds for this one too
    arrived = flow.forward(of_size(family, sent_bytes))
    narrower = way.overhead() + sent_bytes - 10
    about = bytes(arrived.original)[14:14 + 600]
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) /
                       error_packet(way.outer, ROUTER[way.outer], flow.source, too_big(way.outer, narrower), about))
    told = narrower - way.overhead()
    got = take_too_big(bench, family)
    assert mtu_of(got) == told
    # Every flow to this backend is told at once from now on.
    flow.send(of_size(family, told + 1))
    assert mtu_of(take_too_big(bench, family)) == told
    flow.forward(of_size(family, told))


@every_tunnel
@both_families
def test_other_errors_of_the_fabric_are_counted(bench, family, way):
    flow = DirectFlow(bench, family, way)
    arrived = flow.forward(segment("S"))
    error = ICMP(type=3, code=1) if way.outer is V4 else ICMPv6DestUnreach(code=3)
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) /
                       error_packet(way.outer, ROUTER[way.outer], flow.source, error, bytes(arrived.original)[14:]))
    bench.expect_drops("tunnel_error")
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: ICMP in frame or ICMPv6DestUnreach in frame)


@every_tunnel
def test_a_quote_without_the_inner_ports_is_counted(bench, way):
    flow = DirectFlow(bench, V4, way)
    arrived = flow.forward(of_size(V4, 1000))
    cut = bytes(arrived.original)[14:14 + way.overhead() + 20]
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) /
                       error_packet(way.outer, ROUTER[way.outer], flow.source, too_big(way.outer, 900), cut))
    bench.expect_drops("icmp_malformed")
    bench.wait_drops()


@every_way
@both_families
@pytest.mark.parametrize("known", [True, False], ids=["of a flow", "of no flow"])
def test_errors_about_answers_go_to_the_backend(bench, family, way, known):
    """RFC 1191 through a balancer that the answers do not pass: steered by the inner tuple, as it came."""
    flow = DirectFlow(bench, family, way)
    if known:
        flow.forward(segment("S"))
    layer = TCP(sport=way.port, dport=flow.client_port, flags="A", seq=next_id()) / bytes(1000)
    answer = bytes(family.ip(family.vip, family.client) / layer)[:400]
    for error in (too_big(family, 1300), ICMP(type=11, code=0) if family is V4 else ICMPv6TimeExceeded(code=0)):
        packet = error_packet(family, FAR[family], family.vip, error, answer)
        bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / packet)
        expected = family.layer(bytes(packet))
        setattr(expected, "ttl" if family is V4 else "hlim", 59)
        if family is V4:
            del expected.chksum
        flow.packet_arrives(family.layer(bytes(expected)))


@every_way
@both_families
def test_last_hop(bench, family, way):
    flow = DirectFlow(bench, family, way)
    flow.send(segment("S"), ttl=1)
    bench.expect_drops("ttl_expired")
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: ICMP in frame)
