"""What the RFCs ask of a NAT, as far as a load balancer is one. docs/nat-behaviour.md lists every requirement with its
test; these are the ones that no other case shows."""
import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from harness.flow import FAMILIES, SYN_OPTIONS, TTL, host_mac, next_id, same_segment, with_ports
from harness.network import BACK_MAC
from icmp_errors.case import ERRORS, ROUTER4, ROUTER6, V4, outer, quote, raw_quote
from udp_exchange.case import datagram

WORKERS = (1, 2, 4)
MODES = {"fullnat": {"port": 80}, "nat": {"port": 8080, "mode": "nat", "backend_port": 80}}
every_mode = pytest.mark.parametrize("mode", MODES)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
both_sides = pytest.mark.parametrize("side", ["client", "backend"])

FAR_AWAY = 0x4000_0000  # no window reaches that far


def state(bench, flow):
    (connection,) = bench.connections(flow)
    return connection["state"]


def forged(flow, side, flags, distance):
    """A segment that is in order but for its number."""
    segment = flow.client_segment(flags) if side == "client" else flow.backend_segment(flags)
    segment.seq = (segment.seq + distance) % 2**32
    return segment


def passes(flow, side, segment):
    return flow.forward(segment) if side == "client" else flow.reverse(segment)


@every_mode
@both_families
@both_sides
@pytest.mark.parametrize("flags", ["R", "RA", "FA"])
@pytest.mark.parametrize("distance", [FAR_AWAY, -FAR_AWAY, 0x200_0000, -0x2_0000])
def test_rfc5961_blind_end_ends_nothing(bench, family, mode, side, flags, distance):
    """A forged RST or FIN goes on to the end that can judge it; the connection is what it was."""
    flow = bench.tcp(family, **MODES[mode]).open()
    passes(flow, side, forged(flow, side, flags, distance))
    assert state(bench, flow) == "established"
    flow.client_sends(b"still")
    flow.backend_sends(b"here")


@every_mode
@both_families
@both_sides
def test_rfc5961_blind_syn_changes_nothing(bench, family, mode, side):
    """Its receiver answers with a challenge ACK (RFC 5961 section 4), which goes back."""
    flow = bench.tcp(family, **MODES[mode]).open()
    if side == "client":
        flow.forward(TCP(flags="S", seq=next_id() + FAR_AWAY))
        flow.reverse(flow.backend_segment("A"))
    else:
        flow.reverse(TCP(flags="S", seq=next_id() + FAR_AWAY))
        flow.forward(flow.client_segment("A"))
    assert state(bench, flow) == "established"


@every_mode
@both_families
@both_sides
def test_rfc7857_exact_reset_ends_it(bench, family, mode, side):
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.client_sends(b"request")
    flow.backend_sends(b"answer")
    passes(flow, side, forged(flow, side, "R", 0))
    assert state(bench, flow) == "closed"


@every_mode
@both_families
def test_rfc7857_reset_with_data_in_flight_ends_it(bench, family, mode):
    """The number of an honest reset may lie ahead of what the other side has acknowledged."""
    flow = bench.tcp(family, **MODES[mode]).open()
    for _ in range(3):
        flow.backend_seq += 20_000  # as if sent
    flow.backend_sends(b"", "R")
    assert state(bench, flow) == "closed"


@every_mode
@both_families
def test_rfc5961_blind_reset_of_a_half_open_connection(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode])
    flow.forward(flow.syn())
    flow.client_seq += 1
    flow.forward(forged(flow, "client", "R", FAR_AWAY))
    assert state(bench, flow) == "syn_sent"
    flow.forward(forged(flow, "client", "R", 0))
    assert state(bench, flow) == "closed"


@every_mode
@both_families
def test_rfc9293_old_syn_does_not_reopen_time_wait(bench, family, mode):
    """It goes to the backend of the old connection, which knows better, and whose answer comes back."""
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.client_sends(b"request")
    flow.close()
    flow.forward(TCP(flags="S", seq=(flow.client_seq - 1000) % 2**32, options=SYN_OPTIONS))
    assert state(bench, flow) == "time_wait"
    flow.reverse(flow.backend_segment("A"))
    assert state(bench, flow) == "time_wait"


@every_mode
@both_families
def test_rfc9293_backend_may_take_a_syn_in_time_wait(bench, family, mode):
    """By its timestamp (RFC 6191), which only the backend knows."""
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.close()
    flow.client_seq = (flow.client_seq - 5000) % 2**32
    flow.forward(flow.syn())
    flow.client_seq += 1
    flow.backend_seq = next_id()
    flow.reverse(TCP(flags="SA", seq=flow.backend_seq, ack=flow.client_seq, options=SYN_OPTIONS))
    flow.backend_seq += 1
    assert state(bench, flow) == "syn_received"
    flow.forward(flow.client_segment("A"))
    assert state(bench, flow) == "established"
    flow.client_sends(b"again")


@every_mode
@both_families
def test_rfc9293_newer_syn_reopens_time_wait(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.close()
    again = bench.tcp(family, client_port=flow.client_port, **MODES[mode])
    again.client_seq = flow.client_seq + 1
    again.open()
    assert state(bench, again) == "established"


@every_mode
@both_families
def test_rfc5382_req2_simultaneous_open(bench, family, mode):
    """RFC 9293 figure 7: both SYNs cross, each side answers the other's."""
    flow = bench.tcp(family, **MODES[mode])
    flow.forward(flow.syn())
    flow.reverse(TCP(flags="S", seq=flow.backend_seq, options=SYN_OPTIONS))
    flow.forward(TCP(flags="SA", seq=flow.client_seq, ack=flow.backend_seq + 1, options=SYN_OPTIONS))
    flow.reverse(TCP(flags="SA", seq=flow.backend_seq, ack=flow.client_seq + 1, options=SYN_OPTIONS))
    flow.client_seq += 1
    flow.backend_seq += 1
    assert state(bench, flow) == "established"
    flow.client_sends(b"to you")
    flow.backend_sends(b"to me")


@every_mode
@both_families
def test_rfc5382_req3_answer_from_a_stranger(bench, family, mode):
    """Only the backend of a connection reaches its client."""
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.backend = next(backend for backend in family.backends if backend != flow.backend)
    bench.backend.send(flow.backend_frame(flow.backend_segment("PA", b"forged")))
    if mode == "fullnat":
        bench.expect_drops("no_connection")
        bench.wait_drops()
    bench.nothing_for_client(lambda frame: TCP in frame and bytes(frame[TCP].payload) == b"forged")


@both_families
def test_rfc4787_req9_hairpinning(bench, family, workers):
    """A backend's host is a client of the VIP like any other, and its own backend when its turn comes."""
    host = family.backends[0]
    reached = set()
    for turn in range(len(family.backends) * workers):  # one of them deals a whole round
        syn = TCP(sport=30_000 + turn, dport=80, flags="S", seq=next_id(), options=SYN_OPTIONS)
        bench.backend.send(Ether(src=host_mac(host), dst=BACK_MAC) / family.ip(host, family.vip) / syn)
        got = bench.backend.take(lambda frame: same_segment(frame, syn))
        source, backend = got[family.layer].src, got[family.layer].dst
        assert source in bench.snat_addresses and backend in family.backends
        reached.add(backend)
        answer = TCP(flags="SA", seq=next_id(), ack=syn.seq + 1, options=SYN_OPTIONS)
        bench.backend.send(Ether(src=host_mac(backend), dst=BACK_MAC) / family.ip(backend, source)
                           / with_ports(answer, 80, got[TCP].sport))
        back = bench.backend.take(lambda frame: same_segment(frame, answer))
        assert (back[family.layer].src, back[family.layer].dst, back[TCP].dport) == (family.vip, host, syn.sport)
    assert host in reached


@both_families
def test_rfc4787_req3_no_port_overloading(bench, family):
    """Towards one backend every connection has a source endpoint of its own."""
    flows = [bench.tcp(family, 80).open() for _ in range(60)]
    towards = {}
    for flow in flows:
        towards.setdefault(flow.backend, []).append((flow.source, flow.source_port))
    for sources in towards.values():
        assert len(set(sources)) == len(sources)


@every_mode
@pytest.mark.parametrize("family,error", [(family, error) for family, errors in ERRORS.items() for error in errors],
                         ids=lambda value: value.name if hasattr(value, "vip") else value.summary().replace(" ", "_"))
def test_rfc5382_req10_icmp_error_ends_no_connection(bench, family, error, mode):
    """RFC 5508 REQ-6, RFC 4787 REQ-12: whatever the error says, the mapping stays."""
    flow = bench.tcp(family, **MODES[mode]).open()
    at_backend = flow.client_sends(b"request")
    router = ROUTER4 if family is V4 else ROUTER6
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) / outer(family, router, flow.source, TTL) / error /
                       raw_quote(quote(at_backend)))
    bench.client.take(lambda frame: TCP not in frame and frame.haslayer(type(error)))
    assert state(bench, flow) == "established"
    flow.backend_sends(b"answer")
    flow.client_sends(b"more")


@both_families
def test_rfc4787_req11_same_behaviour_for_every_packet(bench, family):
    """The mapping of a flow never changes while it lives, whatever else is opened beside it."""
    flow = bench.udp(family, 53)
    flow.forward(datagram())
    for _ in range(20):
        bench.udp(family, 53).forward(datagram())
        flow.forward(datagram())
        flow.reverse(datagram())
