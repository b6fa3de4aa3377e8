"""max_connections of services and backends: who is over is dropped by name, and gets in when another one has ended."""
import time

import pytest
from scapy.layers.inet import TCP

from harness.flow import FAMILIES
from udp_exchange.case import datagram

WORKERS = (1, 2, 4)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
SERVICE, BACKENDS, SESSIONS = 8001, 8002, 5301


def flow_to(bench, family, port):
    return bench.tcp(family, port, backend_port=80)


def is_refused(bench, flow, reason):
    bench.client.send(flow.client_frame(flow.syn()))
    bench.expect_drops(reason)
    bench.wait_drops()


def counter(bench, service, name):
    return next(row for row in bench.balancer.get("/v1/services")["services"] if row["service"] == service)[name]


@both_families
def test_service_full(bench, family):
    before = counter(bench, "service", "service_full")
    flows = [flow_to(bench, family, SERVICE).open() for _ in range(2)]
    late = flow_to(bench, family, SERVICE)
    is_refused(bench, late, "service_full")
    bench.nothing_for_client(lambda frame: TCP in frame)  # silence: its next SYN may get in
    assert counter(bench, "service", "service_full") == before + 1
    for flow in flows:
        flow.client_sends(b"request")
        flow.backend_sends(b"answer")
    flows[0].close()
    late.open()
    for flow in (flows[1], late):
        flow.client_sends(b"", "R")


@both_families
def test_half_closed_is_open(bench, family):
    flows = [flow_to(bench, family, SERVICE).open() for _ in range(2)]
    flows[0].client_sends(b"", "FA")
    is_refused(bench, flow_to(bench, family, SERVICE), "service_full")
    flows[0].backend_sends(b"", "FA")
    last = flow_to(bench, family, SERVICE).open()
    for flow in (flows[1], last):
        flow.backend_sends(b"", "RA")


@both_families
def test_backends_full(bench, family):
    flows = [flow_to(bench, family, BACKENDS).open() for _ in family.backends]
    assert {flow.backend for flow in flows} == set(family.backends)
    is_refused(bench, flow_to(bench, family, BACKENDS), "backends_full")
    flows[1].client_sends(b"", "R")
    time.sleep(0.01)
    fresh = flow_to(bench, family, BACKENDS).open()
    assert fresh.backend == flows[1].backend
    for flow in (flows[0], flows[2], fresh):
        flow.client_sends(b"", "R")


@both_families
def test_udp_sessions(bench, family):
    flow = bench.udp(family, SESSIONS, backend_port=53)
    flow.forward(datagram())
    late = bench.udp(family, SESSIONS, backend_port=53)
    bench.client.send(late.client_frame(datagram()))
    bench.expect_drops("service_full")
    bench.wait_drops()
    bench.wait_for(lambda: not bench.connections(flow))
    late.forward(datagram())
    bench.wait_for(lambda: not bench.connections(late))


def test_shown_by_the_api(bench):
    services = {row["service"]: row for row in bench.balancer.get("/v1/services")["services"]}
    assert services["service"]["max_connections"] == 2
    assert "max_connections" not in services["web"]
    backends = bench.balancer.get("/v1/backends?service=backends")["backends"]
    assert {row["max_connections"] for row in backends} == {1}
