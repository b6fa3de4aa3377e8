"""Backends by discovery: traffic follows the list, connections of a backend that left it go on, and a server that is gone
changes nothing."""
import subprocess
import time

import pytest

from harness.balancer import RUN_DIR
from harness.flow import FAMILIES, V4, V6
from harness.network import LB

PORT = 8500
LIST = RUN_DIR / "registry/web.json"
ALL = [*V4.backends, *V6.backends]


def publish(*addresses):
    LIST.parent.mkdir(exist_ok=True)
    entries = ", ".join(f'{{"host": "{address}", "port": 80}}' for address in addresses)
    fresh = LIST.with_suffix(".new")
    fresh.write_text(f"[{entries}]")
    fresh.rename(LIST)


@pytest.fixture
def registry(bench):
    """A list by HTTP in place of web's static_list."""
    publish(*ALL)
    server = subprocess.Popen(["ip", "netns", "exec", LB, "python3", "-m", "http.server", str(PORT), "--bind", "127.0.0.1",
                               "--directory", str(LIST.parent)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    text = bench.balancer.config.read_text()
    begin = text.index('  kind = "static"', text.index("[servers.web.discovery]"))
    end = text.index("\n", text.index("static_list", begin))
    bench.balancer.reload(text[:begin] + f'  kind = "json"\n  interval = "100ms"\n'
                          f'  json_endpoint = "http://127.0.0.1:{PORT}/web.json"' + text[end:])
    wait_found(bench, ALL)
    yield server
    server.kill()
    server.wait()
    bench.balancer.reload(text)


def discovery(bench):
    rows = bench.balancer.get("/v1/services")["services"]
    return next(row for row in rows if row["service"] == "web")["discovery"]


def backends(bench):
    rows = bench.balancer.get("/v1/backends")["backends"]
    return {row["backend"] for row in rows if row["service"] == "web" and row["health"] != "gone"}


def wait_until(is_so, seconds=10):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_found(bench, addresses):
    wanted = {f"[{address}]:80" if ":" in address else f"{address}:80" for address in addresses}
    wait_until(lambda: backends(bench) == wanted and bench.balancer.get("/v1/status")["config"]["state"] == "applied")
    wait_until(lambda: discovery(bench).get("answered_at", 0) > 0)


def chosen(bench, family):
    return {bench.tcp(family, 80).open().backend for _ in range(6)}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_traffic_follows_the_list_and_a_backend_that_leaves_it_drains(bench, registry, family):
    flows = [bench.tcp(family, 80).open() for _ in range(6)]
    left = family.backends[0]
    assert left in {flow.backend for flow in flows}
    publish(*[address for address in ALL if address != left])
    wait_found(bench, [address for address in ALL if address != left])
    assert left not in chosen(bench, family)
    for flow in flows:
        flow.client_sends(b"request")
        flow.backend_sends(b"answer")
    publish(*ALL)
    wait_found(bench, ALL)
    assert left in chosen(bench, family)
    for flow in flows:
        flow.close()


def test_server_that_is_gone_changes_nothing(bench, registry):
    flow = bench.tcp(V4, 80).open()
    before = discovery(bench)["failed"]
    registry.kill()
    registry.wait()
    wait_until(lambda: discovery(bench)["failed"] >= before + 2)
    assert discovery(bench)["failing"] and "refused" in discovery(bench)["failure"]
    assert chosen(bench, V4) == set(V4.backends)
    flow.client_sends(b"as before")
    flow.close()


def test_flapping_list_makes_a_bounded_number_of_generations(bench, registry):
    def generation():
        return bench.balancer.get("/v1/status")["config"]["generation_applied"]

    flow = bench.tcp(V4, 80).open()
    before, start = generation(), time.monotonic()
    while time.monotonic() - start < 3:
        publish(*ALL[:1], *ALL[2:])
        time.sleep(0.05)
        publish(*ALL)
        time.sleep(0.05)
        flow.client_sends(b"meanwhile")
    assert generation() - before <= 10 * (time.monotonic() - start) + 1
    flow.close()
