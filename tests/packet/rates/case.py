"""Rates of connections and packets: a second's worth at once, the rest is dropped under its own reason."""
import dataclasses
import time

import pytest
from scapy.layers.inet import TCP, UDP

from harness.flow import CLIENT_MAC, FAMILIES, next_id

FULL_AGAIN_SECONDS = 1.1
OTHERS = {"v4": "203.0.113.3", "v6": "2001:db8:10::3"}
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture(autouse=True)
def full_buckets():
    time.sleep(FULL_AGAIN_SECONDS)


def limited(bench, service):
    return next(row["limited"] for row in bench.balancer.get("/v1/services")["services"] if row["service"] == service)


def datagram():
    return UDP() / next_id().to_bytes(4, "big")


@families
def test_connection_rate(bench, family):
    """Who is dropped comes in with its SYN said again; what is in goes on; another service does not feel it."""
    flows = [bench.tcp(family, 81) for _ in range(12)]
    before = limited(bench, "few")
    bench.client.send(*[bytes(flow.client_frame(flow.syn())) for flow in flows])
    bench.expect_drops("connection_rate", 8)
    bench.wait_drops()
    assert limited(bench, "few") == before + 8
    bench.check_traffic()
    time.sleep(FULL_AGAIN_SECONDS)
    flow = flows[-1].open()
    flow.client_sends(b"request")
    flow.backend_sends(b"answer")
    flow.close()


@families
@pytest.mark.parametrize("port, reason", [(53, "packet_rate"), (54, "source_rate")])
def test_packets(bench, family, port, reason):
    """Also of a flow that lives; its backend answers as fast as it likes."""
    flow = bench.udp(family, port)
    flow.forward(datagram())
    time.sleep(FULL_AGAIN_SECONDS)
    bench.client.send(*[bytes(flow.client_frame(datagram())) for _ in range(16)])
    bench.expect_drops(reason, 6)
    bench.wait_drops()
    for _ in range(16):
        flow.reverse(datagram())
    time.sleep(FULL_AGAIN_SECONDS)
    flow.forward(datagram())


@families
def test_sources_are_told_apart(bench, family):
    other = dataclasses.replace(family, client=OTHERS[family.name])
    bench.client.hosts[other.client] = CLIENT_MAC
    greedy, modest = bench.udp(family, 54), bench.udp(other, 54)
    bench.client.send(*[bytes(greedy.client_frame(datagram())) for _ in range(16)])
    for _ in range(5):
        modest.forward(datagram())
    bench.expect_drops("source_rate", 6)


@families
def test_forged_syns_take_no_token_from_proven_clients(bench, family):
    """RFC 4987 section 3.6: a SYN cookie is answered to anybody; a connection is what its ACK makes."""
    before = limited(bench, "proven")
    for _ in range(10):
        late = bench.tcp(family, 82)
        bench.client.send(late.client_frame(late.syn()))
        bench.client.take(lambda frame: TCP in frame and frame[TCP].flags == "SA" and frame[TCP].dport == late.client_port)
    assert limited(bench, "proven") == before
