"""Datagrams of 8 KiB, which each sender's kernel cuts into fragments and each receiver's puts together again."""
import json
from pathlib import Path

import pytest

from lab import FULL, VIP4, VIP6, run

DATAGRAM_BYTES = 8192
EXCHANGES = 20_000 if FULL else 2_000
SECONDS = 10 if FULL else 3
LOST_PERCENT_MAX = 10.0  # two cores do everything here; what the balancer drops is in the evidence
FRAGMENTS = 6           # of such a datagram, at an MTU of 1,500

both_vips = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["v4", "v6"])
HERE = Path(__file__).resolve().parent


def followed(daemons):
    return sum(worker["fragments_followed"] for worker in daemons.ctl("counters")["workers"])


@both_vips
def test_exchanges(daemons, vip):
    """Every question and every answer arrives whole, from the address that was asked."""
    before = followed(daemons)
    said = run("client", HERE / "udp_exchanges.py", vip.strip("[]"), 53, EXCHANGES, 4, DATAGRAM_BYTES, timeout=600)
    result = json.loads(said.stdout)
    assert (result["lost"], result["wrong"]) == (0, 0), f"{result}\n{daemons.evidence()}"
    assert followed(daemons) - before >= 2 * (FRAGMENTS - 1) * EXCHANGES


@both_vips
@pytest.mark.parametrize("port", [5201, 5203], ids=["fullnat", "nat"])
@pytest.mark.parametrize("reverse", [False, True], ids=["to backend", "to client"])
def test_iperf3_udp(daemons, vip, port, reverse):
    before = followed(daemons)
    said = run("client", "iperf3", "-J", "-u", "-l", DATAGRAM_BYTES, "-b", "20M", "-t", SECONDS, "-c", vip.strip("[]"),
               "-p", port, *(["-R"] if reverse else []), timeout=SECONDS + 60).stdout
    total = json.loads(said)["end"]["sum"]
    print(f"{total['packets']} datagrams, {total['lost_percent']:.2f}% lost")
    assert total["packets"] > 500 and total["lost_percent"] <= LOST_PERCENT_MAX, f"{total}\n{daemons.evidence()}"
    came_through = total["packets"] * (1 - LOST_PERCENT_MAX / 100)
    assert followed(daemons) - before >= (FRAGMENTS - 1) * came_through
