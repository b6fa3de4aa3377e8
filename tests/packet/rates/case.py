"""Rates of connections and packets: a second's worth at once, the rest is dropped under its own reason. Each worker lets its
share through: clients of all workers get the whole, those of one get its share."""
import dataclasses
import time
from itertools import islice

import pytest
from scapy.layers.inet import TCP, UDP

from harness.flow import CLIENT_MAC, FAMILIES, next_id
from harness.owner import ports_in_turn, ports_of_one

WORKERS = (1, 2, 4)
CONNECTION_RATE, PACKET_RATE = 4, 10  # config.toml
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
@pytest.mark.parametrize("ports", [ports_in_turn, ports_of_one])
def test_connection_rate(bench, family, workers, ports):
    """Who is dropped comes in with its SYN said again; what is in goes on; another service does not feel it."""
    flows = [bench.tcp(family, 81, client_port=port) for port in islice(ports(family, 81, workers), 12)]
    refused = len(flows) - (CONNECTION_RATE if ports is ports_in_turn else CONNECTION_RATE // workers)
    before = limited(bench, "few")
    bench.client.send(*[bytes(flow.client_frame(flow.syn())) for flow in flows])
    bench.expect_drops("connection_rate", refused)
    bench.wait_drops()
    assert limited(bench, "few") == before + refused
    bench.check_traffic()
    time.sleep(FULL_AGAIN_SECONDS)
    flow = flows[-1].open()
    flow.client_sends(b"request")
    flow.backend_sends(b"answer")
    flow.close()


@families
@pytest.mark.parametrize("port, reason", [(53, "packet_rate"), (54, "source_rate")])
def test_packets(bench, family, workers, port, reason):
    """Also of a flow that lives; its backend answers as fast as it likes. One worker has the whole flow."""
    flow = bench.udp(family, port)
    flow.forward(datagram())
    time.sleep(FULL_AGAIN_SECONDS)
    bench.client.send(*[bytes(flow.client_frame(datagram())) for _ in range(16)])
    bench.expect_drops(reason, 16 - PACKET_RATE // workers)
    bench.wait_drops()
    for _ in range(16):
        flow.reverse(datagram())
    time.sleep(FULL_AGAIN_SECONDS)
    flow.forward(datagram())


@families
def test_sources_are_told_apart(bench, family, workers):
    """By the worker that has both."""
    other = dataclasses.replace(family, client=OTHERS[family.name])
    bench.client.hosts[other.client] = CLIENT_MAC
    greedy, modest = (bench.udp(who, 54, client_port=next(ports_of_one(who, 54, workers))) for who in (family, other))
    share = PACKET_RATE // workers
    bench.client.send(*[bytes(greedy.client_frame(datagram())) for _ in range(16)])
    for _ in range(share):
        modest.forward(datagram())
    bench.expect_drops("source_rate", 16 - share)


@families
def test_forged_syns_take_no_token_from_proven_clients(bench, family):
    """RFC 4987 section 3.6: a SYN cookie is answered to anybody; a connection is what its ACK makes."""
    before = limited(bench, "proven")
    for _ in range(10):
        late = bench.tcp(family, 82)
        bench.client.send(late.client_frame(late.syn()))
        bench.client.take(lambda frame: TCP in frame and frame[TCP].flags == "SA" and frame[TCP].dport == late.client_port)
    assert limited(bench, "proven") == before
