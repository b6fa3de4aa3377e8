"""Both daemons behind a memif port, with the clients and backends of perf/traffic at its other end."""
import subprocess
import time

import pytest

from lab import wait_for
from memif_balancer import ENVIRONMENT, TRAFFIC, MemifBalancer


@pytest.fixture(scope="module")
def balancer(tmp_path_factory):
    balancer = MemifBalancer(tmp_path_factory.mktemp("memif"))
    try:
        balancer.start()
        yield balancer
    finally:
        balancer.stop()


@pytest.mark.parametrize("kind", [(), ("--tcp", "--frame", "imix"), ("--ipv6",), ("--ipv6", "--tcp")],
                         ids=["udp ipv4", "tcp ipv4 imix", "udp ipv6", "tcp ipv6"])
def test_established(balancer, kind):
    """Packets of both directions of 500 flows in random order: all come through, right."""
    trial = balancer.traffic("--flows", 500, "--open-rate", 2000, "--rate", 3000, "--count", 1500, *kind)
    assert trial["sent"] == 1500
    assert trial["received"] == trial["sent"] and trial["lost"] == 0, f"{trial}\n{balancer.drops()}"


def test_connections(balancer):
    """From SYN to the last ACK, ten packets each."""
    trial = balancer.traffic("--mix", "connections", "--rate", 300, "--in-flight", 100, "--count", 200)
    connections = trial["connections"]
    assert connections["started"] == connections["completed"] == 200 and connections["failed"] == 0, f"{trial}\n{balancer.drops()}"
    assert trial["received"] == 10 * connections["completed"]


def test_full_slab(balancer):
    """More SYNs than the slab holds: old ones make room, what is beyond that is dropped for that reason, and no other."""
    before = balancer.drops()
    trial = balancer.traffic("--mix", "syn", "--flows", 0, "--rate", 10_000, "--count", 20_000)
    dropped = balancer.drops()
    new = {reason: count - before.get(reason, 0) for reason, count in dropped.items() if count != before.get(reason, 0)}
    assert trial["received"] > 10_000
    assert new == ({"slab_full": trial["lost"]} if trial["lost"] else {}), f"{trial}\n{new}"


def test_peer_goes_away(balancer):
    """Killed under load, five times, at moments of its own: the dataplane lives on and takes the next one."""
    for attempt in range(5):
        with subprocess.Popen(balancer.traffic_words("--flows", 64), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT) as started:
            seen = balancer.ctl("counters")["workers"][0]["rx_packets"]
            wait_for(lambda: balancer.ctl("counters")["workers"][0]["rx_packets"] > seen + 500)
            time.sleep(0.01 * attempt)
            started.kill()
        assert balancer.serves(), balancer.logs()
    trial = balancer.traffic("--flows", 100, "--open-rate", 2000, "--rate", 2000, "--count", 500)
    assert trial["received"] == trial["sent"] == 500 and trial["lost"] == 0, f"{trial}\n{balancer.drops()}"


def test_nobody_serves(balancer, tmp_path):
    """One sentence that says what to start."""
    done = subprocess.run([TRAFFIC, "--device", f"memif:{tmp_path}/nobody.sock"], text=True, capture_output=True,
                          timeout=60, env=ENVIRONMENT)
    assert done.returncode == 1
    assert "nobody.sock" in done.stderr and "millrace-dataplane" in done.stderr, done.stderr
