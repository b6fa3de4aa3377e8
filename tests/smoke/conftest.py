"""One lab for the whole session; the daemons run in each of the ways that users run them."""
import pytest

from lab import Daemons, lab

WAYS = {
    "af_xdp, 1 worker": ("--port", "af_xdp"),
    "af_packet, 2 workers": ("--port", "af_packet2"),
}


@pytest.fixture(scope="session", autouse=True)
def network():
    lab("up")
    yield
    lab("down")


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS.keys())
def each_way(network, request):
    """Daemons that run while the tests of a module do, once in each way."""
    yield from running(Daemons(*request.param))


@pytest.fixture(scope="module")
def daemons(network):
    yield from running(Daemons())


def running(daemons):
    daemons.start()
    yield daemons
    daemons.stop()
