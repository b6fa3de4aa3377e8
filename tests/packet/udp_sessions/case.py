"""UDP sessions that end by count (gobetween's max_requests and max_responses), and those that move off a backend."""
import time

import pytest

from harness.flow import FAMILIES
from udp_exchange.case import datagram

WORKERS = (1, 2, 4)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
# millctl answers when the message is sent; the dataplane's main loop takes it up at its next turn.
TAKES_EFFECT_SECONDS = 0.8
PLAIN, REQUESTS, RESPONSES, TRANSPARENT = 53, 5301, 5302, 5303


def session(bench, family, port, client_port=None, **options):
    return bench.udp(family, port, backend_port=53, client_port=client_port, **options)


def next_session(flow):
    """The same client, whose next datagram is to begin anew."""
    return session(flow.bench, flow.family, flow.port, flow.client_port, mode=flow.mode)


def endpoint(address):
    return f"[{address}]:53" if ":" in address else f"{address}:53"


@both_families
def test_max_requests__the_next_one_goes_to_another_backend(bench, family):
    flow = session(bench, family, REQUESTS)
    flow.forward(datagram())
    flow.forward(datagram())
    flow.reverse(datagram(b"answer"))
    second = next_session(flow)
    second.forward(datagram())
    assert second.backend != flow.backend
    second.forward(datagram())
    second.reverse(datagram(b"answer"))


@both_families
def test_max_responses__every_question_is_a_session(bench, family):
    flow, reached = session(bench, family, RESPONSES), set()
    for _ in range(6):
        flow.forward(datagram(b"?"))
        flow.reverse(datagram(b"!"))
        reached.add(flow.backend)
        flow = next_session(flow)
    assert reached == set(family.backends)


@both_families
def test_max_responses__the_session_is_gone_soon(bench, family):
    flow = session(bench, family, RESPONSES)
    flow.forward(datagram())
    assert bench.connections(flow)[0]["state"] == "counted"
    flow.reverse(datagram())
    bench.wait_for(lambda: not bench.connections(flow), seconds=1)


@both_families
def test_max_responses__a_late_answer_reaches_nobody(bench, family):
    flow = session(bench, family, RESPONSES)
    flow.forward(datagram())
    flow.reverse(datagram())
    bench.backend.send(flow.backend_frame(datagram(b"late")))
    bench.expect_drops("no_connection")


@both_families
def test_transparent__the_backend_sees_the_client(bench, family):
    flow = session(bench, family, TRANSPARENT, mode="nat")
    for _ in range(3):
        flow.forward(datagram(b"?"))
        flow.reverse(datagram(b"!"))
        flow = next_session(flow)


@pytest.fixture
def say(bench):
    done = []

    def command(verb, address):
        done.append(endpoint(address))
        bench.balancer.millctl(verb, "plain", done[-1])
        time.sleep(TAKES_EFFECT_SECONDS)

    yield command
    for backend in done:
        bench.balancer.millctl("enable", "plain", backend)
    time.sleep(TAKES_EFFECT_SECONDS)


@both_families
def test_disabled__sessions_move_with_their_next_datagram(bench, say, family):
    flows = [session(bench, family, PLAIN) for _ in range(3)]
    for flow in flows:
        flow.forward(datagram())
        flow.reverse(datagram())
    gone = flows[0].backend
    say("disable", gone)
    for flow in flows:
        if flow.backend != gone:
            flow.forward(datagram())
            continue
        moved = next_session(flow)
        moved.forward(datagram())
        moved.reverse(datagram(b"answer"))
        assert moved.backend != gone
        say("enable", gone)
        moved.forward(datagram())  # and stays there
        say("disable", gone)


@both_families
def test_drained__sessions_stay(bench, say, family):
    flow = session(bench, family, PLAIN)
    flow.forward(datagram())
    say("drain", flow.backend)
    flow.forward(datagram())
    flow.reverse(datagram(b"answer"))
    for _ in family.backends:
        other = session(bench, family, PLAIN)
        other.forward(datagram())
        assert other.backend != flow.backend
