"""What the operator says about a backend: drain, disable, enable, weight."""
import time

import pytest

from harness.flow import FAMILIES

WORKERS = (1, 2, 4)
# millctl answers when the message is sent; the dataplane's main loop takes it up at its next turn.
TAKES_EFFECT_SECONDS = 0.3


def endpoint(address, port=80):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def chosen_backends(bench, family):
    """Two rounds of three backends at one worker at least."""
    return [bench.tcp(family, 80).open().backend for _ in range(6 * len(bench.balancer.workers()))]


@pytest.fixture
def say(bench):
    """say(verb, address, ...) to a backend of `web`; all are enabled with weight 1 again afterwards."""
    def command(verb, address, *more):
        bench.balancer.millctl(verb, "web", endpoint(address), *more)
        time.sleep(TAKES_EFFECT_SECONDS)

    yield command
    for family in FAMILIES:
        for address in family.backends:
            bench.balancer.millctl("enable", "web", endpoint(address))
            bench.balancer.millctl("weight", "web", endpoint(address), "1")


@pytest.mark.parametrize("verb", ["drain", "disable"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_new_connection(bench, say, family, verb):
    """At once, and those that are open go on to their end."""
    living = [bench.tcp(family, 80).open() for _ in family.backends]
    gone = living[0].backend
    say(verb, gone)
    assert gone not in chosen_backends(bench, family)
    for flow in living:
        flow.client_sends(b"still here")
        flow.backend_sends(b"of course")
        flow.close()
    say("enable", gone)
    assert gone in chosen_backends(bench, family)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_weight_zero(bench, say, family):
    say("weight", family.backends[1], "0")
    assert set(chosen_backends(bench, family)) == set(family.backends) - {family.backends[1]}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_none_left(bench, say, family):
    for address in family.backends:
        say("disable", address)
    flow = bench.tcp(family, 80)
    bench.client.send(flow.client_frame(flow.syn()))
    bench.expect_drops("no_backend")
    bench.wait_drops()
    say("enable", family.backends[2])
    assert set(chosen_backends(bench, family)) == {family.backends[2]}
