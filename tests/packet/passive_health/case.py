"""Backends are judged by what becomes of clients' connections: who refuses is left alone for a while and tried again, but
not more of them than may be out. How long handshakes take is known."""
import time

import pytest
from scapy.layers.inet import TCP

from harness.flow import FAMILIES

WORKERS = (1, 2)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def row(bench, service, address):
    endpoint = f"[{address}]:80" if ":" in address else f"{address}:80"
    rows = bench.balancer.get(f"/v1/backends?service={service}")["backends"]
    return next(one for one in rows if one["backend"] == endpoint)


def breaker(bench, service, address):
    return row(bench, service, address)["breaker"]


def attempt(bench, family, port, mode, refusing=()):
    """A connection to whomever the balancer picks; who refuses says so at once. Returns the flow."""
    flow = bench.tcp(family, port, mode=mode, backend_port=80)
    syn = flow.syn()
    flow.forward(syn)
    if flow.backend in refusing:
        flow.reverse(TCP(flags="RA", seq=0, ack=flow.client_seq + 1))
        return flow
    flow.client_seq += 1
    flow.reverse(TCP(flags="SA", seq=flow.backend_seq, ack=flow.client_seq))
    flow.backend_seq += 1
    flow.forward(flow.client_segment("A"))
    return flow


def attempt_and_end(bench, family, port, mode, refusing=()):
    flow = attempt(bench, family, port, mode, refusing)
    if flow.backend not in refusing:
        flow.client_sends(b"", "R")
    return flow.backend


@both_families
@pytest.mark.parametrize("mode", ["fullnat", "nat"])
def test_refusing_backend_is_ejected_and_tried_again(bench, family, mode):
    service, port = f"{mode}_{family.name}", {"fullnat": 8001, "nat": 8002}[mode]
    before = [attempt(bench, family, port, mode) for _ in range(3 * len(bench.balancer.workers()))]
    living = next(flow for flow in before if flow.backend == family.backends[0])
    bad = living.backend
    deadline = time.monotonic() + 10
    while breaker(bench, service, bad) == "closed":
        assert time.monotonic() < deadline, "refuses everybody and is not ejected"
        attempt_and_end(bench, family, port, mode, refusing=(bad,))
    seen = row(bench, service, bad)
    assert (seen["health"], seen["ejections"]) == ("down", 1)
    assert "connections failed in 10 s" in seen["cause"]
    for _ in range(9):
        assert attempt_and_end(bench, family, port, mode) != bad
    living.client_sends(b"still here")
    living.backend_sends(b"of course")
    bench.wait_for(lambda: breaker(bench, service, bad) == "half_open")
    deadline = time.monotonic() + 20
    while breaker(bench, service, bad) != "closed":
        assert time.monotonic() < deadline, "answers everybody and is not taken back"
        attempt_and_end(bench, family, port, mode)
    assert bad in {attempt_and_end(bench, family, port, mode) for _ in range(6 * len(bench.balancer.workers()))}
    for flow in before:
        flow.client_sends(b"", "R")


@both_families
def test_not_more_than_may_be_out(bench, family):
    service, port = f"all_{family.name}", 8003

    def states():
        return sorted(breaker(bench, service, address) for address in family.backends)

    def panics():
        rows = bench.balancer.get("/v1/services")["services"]
        return next(one for one in rows if one["service"] == service)["ejection_panics"]

    deadline = time.monotonic() + 10
    while not panics():
        assert time.monotonic() < deadline, states()
        attempt_and_end(bench, family, port, "fullnat", refusing=family.backends)
    assert states() == ["closed", "closed", "open"]
    seen = {attempt_and_end(bench, family, port, "fullnat", refusing=family.backends)
            for _ in range(3 * len(bench.balancer.workers()))}
    assert len(seen) == 2
    assert states() == ["closed", "closed", "open"]
    assert panics() == 1


@both_families
def test_silent_backend_is_ejected(bench, family):
    service, port = f"silent_{family.name}", 8005
    bad = family.backends[0]
    asked = 0
    while asked < 4:
        flow = bench.tcp(family, port, backend_port=80)
        flow.forward(flow.syn())
        asked += flow.backend == bad
        if flow.backend != bad:
            flow.reverse(TCP(flags="SA", seq=flow.backend_seq, ack=flow.client_seq + 1))
    assert breaker(bench, service, bad) == "closed", "nobody has waited long enough"
    bench.wait_for(lambda: breaker(bench, service, bad) == "open")
    assert {breaker(bench, service, good) for good in family.backends[1:]} == {"closed"}


@both_families
@pytest.mark.parametrize("service", ["resets", "silent"])
def test_resets_after_the_handshake_count_where_they_shall(bench, family, service):
    port = {"resets": 8006, "silent": 8005}[service]
    bad, resets = family.backends[2], 0
    while resets < 12 and breaker(bench, f"{service}_{family.name}", bad) == "closed":
        flow = attempt(bench, family, port, "fullnat")
        if flow.backend == bad:
            flow.backend_sends(b"", "R")
            resets += 1
            time.sleep(0.05)
        else:
            flow.client_sends(b"", "R")
    time.sleep(0.3)
    assert breaker(bench, f"{service}_{family.name}", bad) == {"resets": "open", "silent": "closed"}[service]
    if service == "resets":
        assert 4 <= resets < 12


@both_families
def test_check_that_passes_ends_an_ejection_where_it_may(bench, family):
    """Long before its minute is over."""
    service, port, bad = f"readmit_{family.name}", 8007, family.backends[0]
    deadline = time.monotonic() + 10
    while not row(bench, service, bad)["ejections"]:
        assert time.monotonic() < deadline, "refuses everybody and is not ejected"
        attempt_and_end(bench, family, port, "fullnat", refusing=(bad,))
    bench.wait_for(lambda: breaker(bench, service, bad) == "closed", seconds=10)
    assert bad in {attempt_and_end(bench, family, port, "fullnat") for _ in range(6 * len(bench.balancer.workers()))}
    assert "no longer ejected: its checks pass" in bench.balancer.logs()


@both_families
def test_connect_latency(bench, family):
    """From the first SYN, whatever comes between."""
    flow = bench.tcp(family, 8004, backend_port=80)
    for _ in range(2):
        flow.forward(flow.syn())
        time.sleep(0.05)
    flow.client_seq += 1
    flow.reverse(TCP(flags="SA", seq=flow.backend_seq, ack=flow.client_seq))
    flow.backend_seq += 1
    flow.forward(flow.client_segment("A"))
    flow.client_sends(b"", "R")
    seen = row(bench, f"slow_{family.name}", flow.backend)
    assert 80_000 < seen["connect_p50_us"] < 1_000_000
    assert 80_000 < seen["connect_p99_us"] < 1_000_000
