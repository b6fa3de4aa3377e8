"""kill -9 of the dataplane: clients see silence, never RST; the same start command works at once."""
import pytest
from scapy.layers.inet import ICMP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach

from harness.flow import FAMILIES

WORKERS = (1, 2, 4)
CARDS = False  # af_packet leaves the silence to the kernel
DATAPLANE, CONTROL = "millrace-dataplane", "millraced"


def answers(frame):
    return any(kind in frame for kind in (TCP, UDP, ICMP, ICMPv6DestUnreach))


@pytest.fixture
def open_flows(bench):
    flows = [bench.tcp(family, port, **mode).open() for family in FAMILIES
             for port, mode in ((80, {}), (8080, {"mode": "nat", "backend_port": 80}))]
    for flow in flows:
        flow.client_sends(b"before")
    return flows


def test_silence_then_service(bench, open_flows):
    bench.balancer.kill(DATAPLANE)
    for _ in range(3):
        for flow in open_flows:
            bench.client.send(flow.client_frame(flow.client_segment("PA", b"into the silence")))
            bench.backend.send(flow.backend_frame(flow.backend_segment("PA", b"into the silence")))
        for family in FAMILIES:
            flow = bench.tcp(family, 80)
            bench.client.send(flow.client_frame(flow.syn()))
    bench.nothing_for_client(answers, seconds=0.5)
    assert not bench.backend.take_all(answers)

    bench.balancer.start_one(DATAPLANE)
    bench.balancer.wait_ready()
    bench.begin_case()  # counters start anew with the process
    bench.check_traffic()


def test_killed_again_and_again(bench):
    for _ in range(3):
        bench.balancer.kill(DATAPLANE)
        bench.balancer.start_one(DATAPLANE)
        bench.balancer.wait_ready()
    bench.begin_case()
    bench.check_traffic()


def test_control_plane_killed(bench, open_flows):
    """Traffic goes on with the last configuration; a new control plane resends it and disturbs nobody."""
    bench.balancer.kill(CONTROL)
    for flow in open_flows:
        flow.client_sends(b"without control plane")
    for family in FAMILIES:
        bench.tcp(family, 80).open().close()
    bench.balancer.start_one(CONTROL)
    bench.balancer.wait_ready()
    for flow in open_flows:
        flow.backend_sends(b"with the new one")
        flow.close()
