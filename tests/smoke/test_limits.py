"""Limits with real programs: connections that are too many, sessions that end by count."""
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from lab import BACKENDS, FULL, VIP4, VIP6, run

REQUESTS = 100_000 if FULL else 3_000
OPEN_MAX = 4  # of each backend of the lab's service "limited"
HERE = Path(__file__).resolve().parent

both_vips = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["v4", "v6"])


def counter(daemons, service, name):
    return next(row for row in daemons.ctl("services")["services"] if row["service"] == service)[name]


@both_vips
def test_p2c_within_its_limits(each_way, vip):
    """Fewer clients than places: nobody is refused, although connections come and go all the time."""
    before = counter(each_way, "limited", "backends_full")
    said = run("client", "ab", "-q", "-n", REQUESTS, "-c", OPEN_MAX, f"http://{vip}:82/", timeout=600).stdout
    assert re.search(rf"Complete requests:\s+{REQUESTS}\n", said), said
    assert re.search(r"Failed requests:\s+0\n", said) and "Non-2xx" not in said, said
    assert counter(each_way, "limited", "backends_full") == before


@both_vips
def test_every_backend_full(each_way, vip):
    before = counter(each_way, "limited", "backends_full")
    count = OPEN_MAX * len(BACKENDS)
    result = json.loads(run("client", HERE / "held_open.py", vip.strip("[]"), 82, count).stdout)
    assert result["refused"], result
    assert Counter(result["answered"]) == {backend: OPEN_MAX for backend in BACKENDS}
    assert result["later"] in BACKENDS
    assert counter(each_way, "limited", "backends_full") > before


@both_vips
def test_a_session_for_every_question(each_way, vip):
    """One socket whose questions go to every backend in turn, since each answer ends its session."""
    answers = run("client", HERE / "one_socket.py", vip.strip("[]"), 5353, 30).stdout.split()
    assert set(answers) == set(BACKENDS)
    assert len(answers) == 30


@both_vips
def test_sessions_without_limits_stay(each_way, vip):
    answers = run("client", HERE / "one_socket.py", vip.strip("[]"), 53, 30).stdout.split()
    assert len(set(answers)) == 1 and len(answers) == 30
