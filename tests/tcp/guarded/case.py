"""syn_proxy: services in mode fullnat and nat whose clients must prove that they are there."""
import pytest
from scapy.layers.inet import TCP

from script.ends import passes
from script.play import service_counter
from script.segment import Offer

every_mode = pytest.mark.parametrize("service", [{"port": 8080}, {"port": 8081, "nat": True}], ids=["fullnat", "nat"])


@pytest.fixture
def guarded(script, service):
    return script(**service)


@every_mode
def test_life(guarded):
    """Spliced like a proxied one. In mode nat the backend sees the client's own address and port."""
    client, backend = guarded.splice()
    passes(client, backend, "PA", 1, 1, payload=b"hello")
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
    """The fifth SYN within 100 ms opens the gate: cookies from then on, for this service alone, until 10 s of calm."""
    floods = service_counter(bench, "flooded", "syn_floods")
    made = [script(8082) for _ in range(12)]
    for one in made:
        one.syn()
    answered = made[4:] if floods == 0 else made  # the other family has opened it
    for one in answered:
        one.expect_cookie()
    for _ in range(len(made) - len(answered)):
        bench.backend.take(lambda frame: TCP in frame and frame[TCP].flags == "S")
    assert service_counter(bench, "flooded", "syn_floods") == 1
    bench.wait_for(lambda: "service flooded: SYNs come faster" in bench.balancer.logs())
    last = made[-1]
    last.client.send("A", 1, 1)
    last.accept(last.expect_syn())
    made[0].expect_silence()
