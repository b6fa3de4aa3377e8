"""Four workers behind a card with four queues (docs/multi-core.md), emulated before a memif port: real Toeplitz hashing by
the key and table that the port sets, or deliberately wrong."""
import pytest

from memif_balancer import MemifBalancer

FLOWS, PACKETS, WORKERS = 65_536, 60_000, 4
# The workers share two CPUs with traffic; sanitized, they take some 10,000 packets a second.
SPEED = ("--open-rate", 10_000, "--rate", 10_000)


@pytest.fixture
def started(tmp_path):
    made = []

    def start(emulation):
        made.append(MemifBalancer(tmp_path, workers="[0, 1, 0, 1]", connections="262_144",
                                  device=f'"emulated_nic:{emulation},memif:@MEMIF@"\nqueues = {WORKERS}'))
        made[0].start()
        return made[0]

    yield start
    for balancer in made:
        balancer.stop()


def run(balancer, *words):
    """All flows opened, and packets of both directions at random: each comes through, right. The port's steering."""
    trial = balancer.traffic("--flows", FLOWS, "--count", PACKETS, *SPEED, *words)
    assert trial["received"] == trial["sent"] == PACKETS and trial["lost"] == 0, f"{trial}\n{balancer.drops()}"
    assert set(balancer.drops()) <= {"tx_full"}, "of the opening, which says again what it gets no answer to"
    opened = [worker["connections_opened"] for worker in balancer.ctl("counters")["workers"]]
    assert sum(opened) == FLOWS
    assert all(0.8 < count * WORKERS / FLOWS < 1.2 for count in opened), opened
    [port] = balancer.ctl("steering")["ports"]
    assert port["rx_packets"] >= 2 * FLOWS + PACKETS
    return port


@pytest.mark.parametrize("kind", [(), ("--ipv6", "--tcp")], ids=["udp ipv4", "tcp ipv6"])
def test_right_queue(started, kind):
    """Both directions of every flow arrive at its owner: the issue is < 0.1% handed over, the aim none."""
    port = run(started("rss"), *kind)
    assert (port["steering"], port["rss_key_bytes"], port["reta_size"]) == ("rss", 40, 128), port
    assert port["handed_over_share"] < 0.001, port


@pytest.mark.parametrize("emulation", ["wrong_key", "random"])
def test_wrong_queue(started, emulation):
    """A card that says it took the key and goes its own way: three packets of four are handed over, none is lost."""
    port = run(started(emulation))
    assert port["steering"] == "rss"
    assert 0.7 < port["handed_over_share"] < 0.8, port


def test_no_settings(started):
    """A card that hashes by a key of its own, and says so."""
    port = run(started("plain"))
    assert (port["steering"], port["reason"]) == ("handover", "no_settings")
    assert 0.7 < port["handed_over_share"] < 0.8, port
