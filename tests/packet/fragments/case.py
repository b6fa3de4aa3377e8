"""Packets in fragments: every mode, family and protocol, both directions, every order; and what is refused of them."""
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, FAMILIES, V4, V6, next_id
from harness.network import FRONT_MAC
from harness.pieces import gather, is_piece, piece, pieces

WORKERS = (1, 2, 4)
CARDS = False  # behind them are af_packet ports, by which no IPv4 fragments come: the kernel puts them together first
TIMEOUT_SECONDS = 2
UDP_MODES = {"fullnat": {"port": 53}, "nat": {"port": 5353, "mode": "nat", "backend_port": 53}}
TCP_MODES = {"fullnat": {"port": 80}, "nat": {"port": 8080, "mode": "nat", "backend_port": 80}}
ORDERS = {"in order": lambda frames: frames, "backwards": lambda frames: frames[::-1],
          "mixed": lambda frames: random.Random(5722).sample(frames, len(frames)),
          "last first": lambda frames: frames[-1:] + frames[:-1]}
every_mode = pytest.mark.parametrize("mode", ["fullnat", "nat"])
every_order = pytest.mark.parametrize("order", ORDERS)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def datagram(size=8000):
    head = next_id().to_bytes(4, "big")
    return UDP() / (head + random.Random(next_id()).randbytes(size - len(head)))


def own_id(family):
    """For what is not whole in the end: its identification stays in use for a while."""
    return {"id": next_id() & 0xffff} if family is V4 else {}


def forward(flow, layer, order="in order", size=400):
    """From the client to the backend, in pieces there and here."""
    frames = ORDERS[order](pieces(flow.client_frame(layer), size))
    flow.bench.client.send(*frames)
    gather(flow.bench.backend, len(frames))
    return flow.arrives_at_backend(layer)


def reverse(flow, layer, order="in order", size=400):
    frames = ORDERS[order](pieces(flow.backend_frame(layer), size))
    flow.bench.backend.send(*frames)
    gather(flow.bench.client, len(frames))
    return flow.arrives_at_client(layer)


@every_order
@every_mode
@both_families
def test_udp_both_ways(bench, family, mode, order):
    """8 KiB, as they leave a host with an MTU of 1,500; the first packet of the flow, too. What a nat backend sends shows in
    the first fragment alone that it is not the kernel's to route, so that one comes first."""
    flow = bench.udp(family, **UDP_MODES[mode])
    for _ in range(2):
        forward(flow, datagram(), order, size=1448)
        reverse(flow, datagram(), order if mode == "fullnat" else "in order", size=1448)


@every_order
@every_mode
@both_families
def test_tcp_both_ways(bench, family, mode, order):
    flow = bench.tcp(family, **TCP_MODES[mode]).open()
    forward(flow, flow.client_segment("PA", b"GET " + b"x" * 1300), order)
    flow.client_seq += 1304
    reverse(flow, flow.backend_segment("PA", b"200 " + b"y" * 1300), order if mode == "fullnat" else "in order")
    flow.backend_seq += 1304
    flow.close()


@every_mode
@both_families
def test_many_datagrams_at_once(bench, family, mode):
    """Pieces of twenty flows between each other."""
    flows = [bench.udp(family, **UDP_MODES[mode]) for _ in range(20)]
    for flow in flows:
        flow.forward(UDP() / next_id().to_bytes(4, "big"))
    layers = [datagram(1200) for _ in flows]
    idents = random.Random(4963).sample(range(1 << 16), len(flows))
    frames = [frame for flow, layer, ident in zip(flows, layers, idents)
              for frame in pieces(flow.client_frame(layer, **({"id": ident} if family is V4 else {})), 400, ident)]
    random.Random(1858).shuffle(frames)
    bench.client.send(*frames)
    got = [bench.backend.take(is_piece) for _ in frames]
    by_datagram = {}
    for frame in got:
        packet = frame.original[14:]
        key = (packet[12:20], packet[4:6]) if family is V4 else (packet[8:40], packet[44:48])
        by_datagram.setdefault(key, []).append(frame)
    assert sorted(len(found) for found in by_datagram.values()) == [4] * len(flows)


def test_any_worker_may_own_a_datagram_or_its_connection(bench, workers):
    for family in FAMILIES:
        for _ in range(10 * workers):
            flow = bench.udp(family, **UDP_MODES["fullnat"])
            forward(flow, datagram(1200))
            reverse(flow, datagram(1200))
    for worker in bench.balancer.settled_workers():
        assert worker["fragments_followed"] > 0 and (worker["handed_in"] > 0) == (workers > 1), worker


@both_families
def test_udp_without_checksum(bench, family):
    """RFC 8200 section 8.1: not in IPv6, nor in its fragments; the others then have no connection to follow."""
    flow = bench.udp(family, 53)
    layer = datagram(1200)
    layer.chksum = 0
    if family is V4:
        forward(flow, layer)
        return
    frames = pieces(flow.client_frame(layer))
    bench.client.send(*frames)
    bench.expect_drops("bad_l4_checksum")
    bench.expect_drops("fragment_orphan", len(frames) - 1)


@both_families
def test_rfc8200_a_duplicate_ends_alone(bench, family):
    flow = bench.udp(family, 53)
    layer = datagram(1200)
    frames = pieces(flow.client_frame(layer))
    bench.client.send(frames[0], frames[1], frames[1], frames[0], *frames[2:])
    bench.expect_drops("fragment_overlap", 2)
    gather(bench.backend, len(frames))
    flow.arrives_at_backend(layer)


@both_families
def test_rfc5722_an_overlap_ends_the_datagram(bench, family):
    flow = bench.udp(family, 53)
    flow.forward(UDP() / next_id().to_bytes(4, "big"))
    frame, ident = flow.client_frame(datagram(1200), **own_id(family)), next_id()
    bench.client.send(piece(frame, 0, 400, True, ident), piece(frame, 392, 800, True, ident),
                      piece(frame, 400, 800, True, ident), piece(frame, 800, 1208, False, ident))
    bench.expect_drops("fragment_overlap", 3)
    assert len([bench.backend.take(is_piece)]) == 1
    bench.wait_drops()
    assert not bench.backend.take_all(is_piece)


@both_families
def test_rfc1858_first_fragment_within_the_tcp_header(bench, family):
    flow = bench.tcp(family, 80).open()
    frame = flow.client_frame(flow.client_segment("PA", b"x" * 100))
    bench.client.send(piece(frame, 0, 16, True, next_id()))
    bench.expect_drops("fragment_tiny")


@both_families
def test_rfc3128_later_fragment_within_the_tcp_header(bench, family):
    flow = bench.tcp(family, 80).open()
    frame = flow.client_frame(flow.client_segment("PA", b"x" * 100))
    bench.client.send(piece(frame, 8, 72, True, next_id()), piece(frame, 16, 72, True, next_id()))
    bench.expect_drops("fragment_tiny", 2)


@both_families
def test_syn_in_fragments(bench, family):
    flow = bench.tcp(family, 80)
    frame = flow.client_frame(flow.syn() / (b"x" * 100))
    bench.client.send(piece(frame, 0, 64, True, next_id()))
    bench.expect_drops("fragment")


@both_families
def test_ping_in_fragments(bench, family):
    ping = ICMP() if family is V4 else ICMPv6EchoRequest()
    frames = pieces(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / family.ip(family.client, family.vip) / ping / bytes(1000))
    bench.client.send(*frames)
    bench.expect_drops("fragment", len(frames))


@both_families
def test_impossible_lengths(bench, family):
    """RFC 791: units of 8 bytes, 65,535 in all."""
    frame = bench.udp(family, 53).client_frame(datagram(1200))
    bench.client.send(piece(frame, 0, 404, True, next_id()), piece(frame, 400, 400, False, next_id()))
    bench.expect_drops("fragment", 2)


@both_families
def test_no_first_fragment(bench, family):
    flow = bench.udp(family, 53)
    flow.forward(UDP() / next_id().to_bytes(4, "big"))
    frames = pieces(flow.client_frame(datagram(1200), **own_id(family)))
    bench.client.send(*frames[1:])
    bench.wait_for(lambda: bench.balancer.total("held") == len(frames) - 1)
    bench.expect_drops("fragment_timeout", len(frames) - 1)
    bench.wait_for(lambda: bench.balancer.total("held") == 0, seconds=TIMEOUT_SECONDS + 2)
    assert not bench.backend.take_all(is_piece)


@both_families
def test_to_no_service(bench, family):
    frames = pieces(bench.udp(family, 4711).client_frame(datagram(1200)))
    bench.client.send(*frames)
    bench.expect_drops("no_service", len(frames))


@both_families
def test_reply_of_a_stranger(bench, family):
    """To a SNAT port of a connection, from somebody else."""
    flow = bench.udp(family, 53)
    flow.forward(UDP() / next_id().to_bytes(4, "big"))
    flow.backend = next(b for b in family.backends if b != flow.backend)
    frames = pieces(flow.backend_frame(datagram(1200)))
    bench.backend.send(*frames)
    bench.expect_drops("no_connection", len(frames))


@pytest.mark.parametrize("mode", ["fullnat", "nat"])
def test_ipv4_options_pass(bench, mode):
    """RFC 7126: all but source routes."""
    flow = bench.udp(V4, **UDP_MODES[mode])
    alert = b"\x94\x04\0\0"
    bench.client.send(flow.client_frame(datagram(100), options=alert))
    got = bench.backend.take(lambda frame: UDP in frame)
    assert got.original[34:38] == alert and got[IP].ihl == 6


@pytest.mark.parametrize("option", [131, 137], ids=["loose", "strict"])
def test_rfc7126_source_route(bench, option):
    frame = bench.udp(V4, 53).client_frame(datagram(100), options=bytes([option, 7, 4, 10, 0, 0, 1, 0]))
    bench.client.send(frame)
    bench.expect_drops("ip_options")


EXTENSIONS = {
    "hop-by-hop": lambda: IPv6ExtHdrHopByHop(),
    "destination options": lambda: IPv6ExtHdrDestOpt(),
    "both options": lambda: IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(),
}


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
@pytest.mark.parametrize("extension", ["hop-by-hop", "destination options", "both options"])
def test_extension_headers_pass(bench, protocol, extension):
    """RFC 8200: they stay in the packet, untouched."""
    flow = bench.udp(V6, 53) if protocol == "udp" else bench.tcp(V6, 80)
    layer = datagram(100) if protocol == "udp" else flow.syn()
    sent = flow.client_frame(layer)
    made = EXTENSIONS[extension]()
    ports = sent[2]
    sent = Ether(bytes(sent[0].copy())[:14]) / V6.ip(V6.client, V6.vip) / made / ports
    bench.client.send(sent)
    kind = UDP if protocol == "udp" else TCP
    got = bench.backend.take(lambda frame: kind in frame)
    end = 54 + len(bytes(made))
    assert got.original[54:end] == bytes(sent)[54:end]
    again = got.copy()
    del again[kind].chksum
    assert bytes(again) == got.original
    assert got[kind].dport == (53 if protocol == "udp" else 80) and got[1].dst in V6.backends


def test_rfc5095_routing_header_with_a_way_to_go(bench):
    sent = bench.udp(V6, 53).client_frame(datagram(100))
    bench.client.send(Ether(bytes(sent)[:14]) / V6.ip(V6.client, V6.vip) /
                      IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=1) / sent[UDP])
    bench.expect_drops("ip_extension")


def test_rfc6946_atomic_fragment(bench):
    """One fragment is the whole packet: nothing waits, and the header stays."""
    flow = bench.udp(V6, 53)
    for _ in range(2):
        layer = datagram(300)
        bench.client.send(piece(flow.client_frame(layer), 0, 308, False, 7))
        gather(bench.backend, 1)
        flow.arrives_at_backend(layer)
