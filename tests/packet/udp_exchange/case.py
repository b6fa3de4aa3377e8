"""UDP both ways, and its checksum's two special values."""
import pytest
from scapy.layers.inet import UDP

from harness.flow import FAMILIES, V4, V6, next_id

WORKERS = (1, 2, 4)
MODES = {"fullnat": {"port": 53}, "nat": {"port": 5353, "mode": "nat", "backend_port": 53}}
every_way = pytest.mark.parametrize("mode", MODES)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def datagram(payload=b"", **fields):
    return UDP(**fields) / (next_id().to_bytes(4, "big") + payload)


@every_way
@both_families
def test_exchange(bench, family, mode):
    flow = bench.udp(family, **MODES[mode])
    for payload in (b"", b"q", b"long" * 300):
        flow.forward(datagram(payload))
        flow.reverse(datagram(payload + b" answer"))


@every_way
@both_families
def test_flow_keeps_its_backend(bench, family, mode):
    for flow in [bench.udp(family, **MODES[mode]) for _ in range(3)] * 3:
        flow.forward(datagram())


@every_way
def test_no_checksum(bench, mode):
    """IPv4 senders may leave it out (RFC 768); translation must not make one up."""
    flow = bench.udp(V4, **MODES[mode])
    flow.forward(datagram(chksum=0))
    flow.reverse(datagram(chksum=0))


def test_no_checksum_in_ipv6(bench):
    """Not allowed there (RFC 8200 section 8.1)."""
    flow = bench.udp(V6, 53)
    bench.client.send(flow.client_frame(datagram(chksum=0)))
    bench.expect_drops("bad_l4_checksum")


@every_way
@both_families
def test_checksum_that_comes_out_as_zero(bench, family, mode):
    """Is sent as 0xffff, since 0 says that there is none (RFC 768)."""
    flow = bench.udp(family, **MODES[mode])
    head = next_id().to_bytes(4, "big")
    got = flow.forward(UDP() / (head + b"\0\0"))
    # Put into the payload, the checksum makes the sum 0xffff, whose complement is zero.
    got = flow.forward(UDP() / (head + got[UDP].chksum.to_bytes(2, "big")))
    assert got[UDP].chksum == 0xffff


@both_families
def test_answer_from_a_stranger(bench, family):
    """Only the backend itself may answer; another machine there reaches nobody."""
    flow = bench.udp(family, 53)
    flow.forward(datagram())
    right, flow.backend = flow.backend, next(b for b in family.backends if b != flow.backend)
    bench.backend.send(flow.backend_frame(datagram(b"forged")))
    bench.expect_drops("no_connection")
    bench.wait_drops()
    flow.backend = right
    flow.reverse(datagram(b"true"))
