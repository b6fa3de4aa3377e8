"""syn_proxy: services in mode fullnat and nat whose clients must prove that they are there."""
import pytest

from script.ends import passes, wait_ms
from script.segment import Offer

every_mode = pytest.mark.parametrize("service", [{"port": 8080}, {"port": 8081, "nat": True}], ids=["fullnat", "nat"])


@pytest.fixture
def guarded(script, service):
    return script(**service)


@every_mode
def test_life(guarded):
    """Spliced like a proxied one. In mode nat the backend sees the client's own address and port."""
    client, backend = guarded.splice()
    passes(client, backend, "PA", 1, 1, payload=b"hello", options=None)
    passes(backend, client, "PA", 1, 6, payload=b"welcome")
    passes(client, backend, "FA", 6, 8)
    passes(backend, client, "FA", 8, 7)
    passes(client, backend, "A", 7, 9)


@every_mode
def test_wrong_cookie(guarded, bench):
    guarded.syn()
    guarded.expect_cookie()
    guarded.client.send("A", 1, 2)
    bench.expect_drops("bad_cookie")
    bench.wait_drops()
    guarded.expect_silence()


@every_mode
def test_refusing_backend(guarded):
    made = guarded.prove()
    first = made.expect_syn()
    first.send("RA", 0, 1, window=0, options=[])
    second = made.expect_syn()
    assert second.address != first.address
    made.accept(second)
    passes(made.client, second, "PA", 1, 1, payload=b"hello")


@every_mode
def test_syn_to_the_backend_lost(guarded):
    backend = guarded.prove().expect_syn()
    guarded.expect_syn(backend, after_ms=250)
    guarded.accept(backend)


@every_mode
def test_backend_without_anything(guarded):
    client, backend = guarded.splice(Offer(scale=None, sack=False, timestamps=False))
    backend.send("PA", 1, 1, payload=b"plain", window=1280)
    client.expect_passed("PA", 1, 1, payload=b"plain", window=10, new_clock=True)


def test_flood(script, bench):
    """Four SYNs within 100 ms pass as ever; from the fifth on the gate is open, for this service alone."""
    made = [script(8082) for _ in range(12)]
    backends = []
    for one in made:
        one.syn()
    wait_ms(100)
    seen = bench.backend.take_all(lambda frame: "TCP" in frame)
    assert len(seen) == 4, [frame.summary() for frame in seen]
    for one in made[4:]:
        one.expect_cookie()
    last = made[-1]
    last.client.send("A", 1, 1)
    last.accept(last.expect_syn())
    assert bench.balancer.total("cookies_accepted") > 0 and not backends
