"""Backends of proxied connections that refuse: clients do not notice, and after some of them nobody asks that backend."""
import time


def row(bench, family):
    """Of the family's first backend, which is the one that refuses."""
    address = family.backends[0]
    endpoint = f"[{address}]:80" if ":" in address else f"{address}:80"
    rows = bench.balancer.get(f"/v1/backends?service=proxied_{family.name}")["backends"]
    return next(one for one in rows if one["backend"] == endpoint)


def connect(script, bad=None):
    """A client gets in, whoever refuses; returns who was asked."""
    made = script(80).prove()
    backend = made.expect_syn()
    asked = [backend.address]
    if backend.address == bad:
        backend.send("RA", 0, 1, window=0, options=[])
        backend = made.expect_syn()
        asked.append(backend.address)
    made.accept(backend)
    return asked


def test_refusing_backend_is_ejected_and_tried_again(script, bench, family):
    bad = family.backends[0]
    deadline = time.monotonic() + 10
    while row(bench, family)["breaker"] == "closed":
        assert time.monotonic() < deadline, "refuses everybody and is not ejected"
        connect(script, bad)
    assert row(bench, family)["health"] == "down"
    for _ in range(6):
        assert bad not in connect(script)
    bench.wait_for(lambda: row(bench, family)["breaker"] == "half_open")
    deadline = time.monotonic() + 20
    while row(bench, family)["breaker"] != "closed":
        assert time.monotonic() < deadline, "answers everybody and is not taken back"
        connect(script)
    assert bad in {address for _ in range(6) for address in connect(script)}
    assert row(bench, family)["connect_p50_us"] < 1_000_000
