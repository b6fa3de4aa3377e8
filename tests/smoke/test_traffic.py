"""Real programs through the VIPs: nginx, curl, ab, iperf3, UDP."""
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from lab import BACKENDS, FULL, VIP4, VIP6, run, start_background

REQUESTS = 100_000 if FULL else 5_000
EXCHANGES = 50_000 if FULL else 5_000
IPERF_SECONDS = 30 if FULL else 3
DOWNLOAD_MIB = 1024 if FULL else 64
PARALLEL = 32
UDP_PARALLEL = 50
SPREAD = 0.02  # of an even share

both_vips = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["v4", "v6"])
HERE = Path(__file__).resolve().parent


def assert_even(counts, daemons):
    total = sum(counts.values())
    for backend in BACKENDS:
        share = counts.get(backend, 0) / total
        assert abs(share - 1 / 3) <= SPREAD, f"{counts}\n{daemons.evidence()}"


def accepted_connections():
    """nginx's own count per backend."""
    return {role: int(run(role, "curl", "-s", "http://127.0.0.1/nginx_status").stdout.split()[7]) for role in BACKENDS}


@both_vips
@pytest.mark.parametrize("port", [80, 8080], ids=["fullnat", "nat"])
def test_curl(each_way, vip, port):
    answers = Counter(run("client", "curl", "-sf", "--max-time", "5", f"http://{vip}:{port}/").stdout.strip()
                      for _ in range(9))
    assert set(answers) == set(BACKENDS)


@both_vips
def test_what_the_backend_sees(each_way, vip):
    """In fullnat one of our addresses, in nat the client's own."""
    def peer(port):
        headers = run("client", "curl", "-sfI", f"http://{vip}:{port}/").stdout
        return re.search(r"X-Peer: (\S+)", headers).group(1)

    assert peer(80).startswith(("10.72.0.1", "fd72::1"))
    assert peer(8080) in ("203.0.113.2", "2001:db8:10::2")


@both_vips
@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "close"])
def test_requests(each_way, vip, keep_alive):
    before = accepted_connections()
    said = run("client", "ab", "-q", "-n", REQUESTS, "-c", PARALLEL, *(["-k"] if keep_alive else []),
               f"http://{vip}/", timeout=600).stdout
    assert re.search(rf"Complete requests:\s+{REQUESTS}\n", said), said
    assert re.search(r"Failed requests:\s+0\n", said) and "Non-2xx" not in said, said
    if not keep_alive:
        after = accepted_connections()
        assert_even({role: after[role] - before[role] for role in BACKENDS}, each_way)


@both_vips
@pytest.mark.parametrize("port", [80, 8080], ids=["fullnat", "nat"])
def test_download(each_way, big_file, vip, port):
    name, digest = big_file
    said = run("client", "bash", "-c", f"curl -sf http://{vip}:{port}/{name} | sha256sum", timeout=600).stdout
    assert said.split()[0] == digest


@pytest.fixture(scope="module")
def big_file(network):
    """(name below nginx's root, sha256)"""
    from lab import Daemons
    path = Daemons().run_dir / "www/download.bin"
    digest = hashlib.sha256()
    with open(path, "wb") as file, open("/dev/urandom", "rb") as noise:
        for _ in range(DOWNLOAD_MIB):
            block = noise.read(1 << 20)
            digest.update(block)
            file.write(block)
    yield path.name, digest.hexdigest()
    path.unlink()


@both_vips
@pytest.mark.parametrize("reverse", [False, True], ids=["to backend", "to client"])
def test_iperf3(each_way, vip, reverse):
    said = run("client", "iperf3", "-J", "-c", vip.strip("[]"), "-t", IPERF_SECONDS, *(["-R"] if reverse else []),
               timeout=IPERF_SECONDS + 60).stdout
    end = json.loads(said)["end"]
    rate = end["sum_received"]["bits_per_second"]
    print(f"{rate / 1e9:.2f} Gbit/s")
    assert end["sum_received"]["seconds"] >= IPERF_SECONDS * 0.9 and rate > 10e6


@both_vips
def test_udp_exchanges(each_way, vip):
    said = run("client", HERE / "udp_exchanges.py", vip.strip("[]"), 53, EXCHANGES, UDP_PARALLEL, timeout=600).stdout
    result = json.loads(said)
    assert (result["lost"], result["wrong"]) == (0, 0), result
    assert_even(result["answers"], each_way)


def test_stages(each_way):
    """What the workers say of their own cost while real requests pass."""
    load = start_background("client", "ab", "-q", "-n", REQUESTS, "-c", PARALLEL, f"http://{VIP4}/")
    body = each_way.ctl("stages", "--interval", "2")
    load.communicate(timeout=600)
    timed = [worker for worker in body["workers"] if worker["packets"]]
    assert timed, f"no worker timed a packet: {body}"
    for worker in timed:
        stages = {stage["stage"]: stage for stage in worker["stages"]}
        assert list(stages) == ["poll", "parse", "lookup", "act", "rewrite", "transmit", "house"]
        assert abs(sum(stage["share"] for stage in stages.values()) - 1) < 1e-6, worker
        for name in ("poll", "parse", "lookup", "act", "rewrite", "transmit"):
            assert 1 < stages[name]["cycles_per_packet"] < 1e6, f"{name}: {worker}"
        ratio = worker["cycles_per_packet"] / worker["ns_per_packet"]
        assert abs(ratio - body["tsc_hz"] / 1e9) < 1e-6, worker
