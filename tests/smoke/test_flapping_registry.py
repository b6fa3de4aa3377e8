"""A registry that cannot make up its mind: clients notice nothing, and the dataplane is not busy with it."""
import json
import signal
import subprocess
from pathlib import Path

import pytest

from lab import BACKENDS, FULL, VIP4, command, run, start_background, wait_for

HERE = Path(__file__).parent
SECONDS = 60 if FULL else 6
PORT = 2379
PREFIX = "/services/web/"
ADDRESSES = ["10.72.1.1:80", "10.72.1.2:80", "10.72.1.3:80"]
STATIC = 'kind = "static"\n  static_list = ["10.72.1.1:80", "10.72.1.2:80", "10.72.1.3:80", '
REQUESTS_PER_SECOND = 40
GENERATIONS_PER_SECOND = 10  # change_pace.h: the registry is asked at most so often


@pytest.fixture
def registry(daemons, tmp_path):
    """Service web has its IPv4 backends from etcd, the last of which will flap."""
    before = daemons.config.read_text()
    head, found, tail = before.partition("[servers.webnat]")
    assert STATIC in head and found
    start, rest = head.split(STATIC)
    found_there = f'kind = "etcd"\n  etcd_endpoints = ["http://127.0.0.1:{PORT}"]\n  etcd_prefix = "{PREFIX}"\n'
    # Without its IPv6 bind, which would have no backend.
    start = start.replace('bind = ["203.0.113.10:80", "[2001:db8:10::10]:80"]', 'bind = "203.0.113.10:80"', 1)
    process = subprocess.Popen(command("lb", HERE / "flapping.py", tmp_path, PORT, PREFIX, SECONDS, *ADDRESSES), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    daemons.config.write_text(start + found_there + rest.partition("\n")[2] + found + tail)
    assert daemons.ctl("reload")["accepted"], daemons.evidence()
    wait_for(lambda: {row["backend"] for row in daemons.ctl("backends", "--service", "web")["backends"]} == set(ADDRESSES))
    wait_for(lambda: daemons.ctl("status")["config"]["state"] == "applied")
    yield daemons, process
    process.send_signal(signal.SIGINT)  # not SIGKILL: etcd has to go with it
    process.communicate(timeout=20)
    daemons.config.write_text(before)
    daemons.ctl("reload")


def generation(daemons):
    return daemons.ctl("status")["config"]["generation_applied"]


def test_flapping_backend_under_load(registry):
    daemons, process = registry
    held = subprocess.Popen(command("client", HERE / "asks_twice.py", VIP4, 80), text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    backend = held.stdout.readline().strip()
    assert backend in BACKENDS, daemons.evidence()
    load = start_background("client", HERE / "paced.py", f"http://{VIP4}:80/", REQUESTS_PER_SECOND, SECONDS)
    before = generation(daemons)
    process.stdin.write("\n")
    process.stdin.flush()
    flips = int(process.stdout.readline())
    generations = generation(daemons) - before
    account = json.loads(load.communicate(timeout=SECONDS + 60)[0])
    held.stdin.write("\n")
    held.stdin.flush()
    assert held.stdout.readline().strip() == backend, daemons.evidence()
    held.communicate("\n", timeout=10)
    print(f"{flips} flips, {generations} generations, {account['answered']} requests answered")
    assert flips > SECONDS * 5
    assert account["failures"] == [] and account["answered"] == REQUESTS_PER_SECOND * SECONDS, account
    assert 1 < generations <= GENERATIONS_PER_SECOND * SECONDS + 2
    seen = {run("client", "curl", "-s", "--max-time", "5", f"http://{VIP4}/").stdout.strip() for _ in range(6)}
    assert seen and seen <= set(BACKENDS)
