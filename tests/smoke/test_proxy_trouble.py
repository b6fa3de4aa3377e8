"""Mode proxy in trouble: loss, a dead backend, a SYN flood."""
import hashlib
import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from lab import BACKENDS, FULL, VIP4, VIP6, run, start_background

REQUESTS = 100_000 if FULL else 3_000
DOWNLOAD_MIB = 1024 if FULL else 32
FLOOD_SECONDS = 60 if FULL else 10
REQUESTS_PER_SECOND = 200 if FULL else 50
HERE = Path(__file__).resolve().parent
both_vips = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["v4", "v6"])


def worker_counters(daemons):
    sums = Counter()
    for worker in daemons.ctl("counters")["workers"]:
        sums.update({name: value for name, value in worker.items() if isinstance(value, int)})
    return sums


@pytest.fixture
def lossy():
    """One packet in a hundred is lost on its way into client and backends."""
    roles = ("client", *BACKENDS)
    for role in roles:
        run(role, "nft", "add table inet loss; add chain inet loss in { type filter hook input priority 0; }; "
            "add rule inet loss in iif != lo numgen random mod 100 < 1 counter drop")
    yield
    for role in roles:
        run(role, "nft", "delete table inet loss")


@both_vips
@pytest.mark.parametrize("port", [81, 443], ids=["http", "https"])
def test_bulk_data_under_loss(daemons, lossy, vip, port):
    path = daemons.run_dir / "www/proxy.bin"
    digest = hashlib.sha256()
    with open(path, "wb") as file, open("/dev/urandom", "rb") as noise:
        for _ in range(DOWNLOAD_MIB):
            block = noise.read(1 << 20)
            digest.update(block)
            file.write(block)
    scheme = "https" if port == 443 else "http"
    try:
        said = run("client", "bash", "-c", f"curl -sfk {scheme}://{vip}:{port}/{path.name} | sha256sum",
                   timeout=900).stdout
    finally:
        path.unlink()
    assert said.split()[0] == digest.hexdigest()
    dropped = run("client", "nft", "list", "table", "inet", "loss").stdout
    assert int(re.search(r"packets (\d+)", dropped).group(1)) > DOWNLOAD_MIB / 2, "nothing was lost"


@pytest.fixture
def one_backend_refuses():
    """Its health is not checked: whoever is sent there first must be sent on."""
    run("backend1", "nft", "add table inet refuse; add chain inet refuse in { type filter hook input priority 0; }; "
        "add rule inet refuse in tcp dport 81 reject with tcp reset")
    yield
    run("backend1", "nft", "delete table inet refuse")


@both_vips
def test_a_dead_backend_is_passed_over(daemons, one_backend_refuses, vip):
    before = worker_counters(daemons)["backend_retries"]
    said = run("client", "ab", "-q", "-n", REQUESTS, "-c", 16, f"http://{vip}:81/", timeout=900).stdout
    assert re.search(rf"Complete requests:\s+{REQUESTS}\n", said), said
    assert re.search(r"Failed requests:\s+0\n", said) and "Non-2xx" not in said, said
    assert worker_counters(daemons)["backend_retries"] - before >= REQUESTS / 4


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def test_requests_during_a_syn_flood(daemons):
    """Every real request is answered, and the flood leaves nothing behind."""
    run("client", "curl", "-sf", "--max-time", "5", f"http://{VIP4}:81/")  # the flood needs the neighbour
    pid = int((daemons.run_dir / "millrace-dataplane.pid").read_text())
    before, memory = worker_counters(daemons), resident_kib(pid)
    flood = start_background("client", HERE / "syn_flood.py", VIP4.strip("[]"), 81, FLOOD_SECONDS)
    time.sleep(0.5)
    paced = json.loads(run("client", HERE / "paced.py", f"http://{VIP4}:81/", REQUESTS_PER_SECOND, FLOOD_SECONDS - 1,
                           timeout=FLOOD_SECONDS + 60).stdout)
    sent = json.loads(flood.communicate(timeout=FLOOD_SECONDS + 60)[0])["sent"]
    after = worker_counters(daemons)
    cookies = after["cookies_sent"] - before["cookies_sent"]
    print(f"{sent / FLOOD_SECONDS:.0f} SYNs/s, {cookies / FLOOD_SECONDS:.0f} cookies/s, {paced['answered']} requests answered, {len(paced['failures'])} failed")
    assert paced["failures"] == [] and paced["answered"] >= REQUESTS_PER_SECOND * (FLOOD_SECONDS - 1) * 0.9, paced
    assert cookies > sent / 10
    assert after["connections_opened"] - before["connections_opened"] <= paced["answered"] + 100
    assert resident_kib(pid) - memory < 4096, "the dataplane's memory grew"
