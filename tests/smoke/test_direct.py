"""Modes dsr and tunnel with real stacks: backends answer past the balancer, tunnels end in scripts/lab.d/decap.bpf.c."""
import hashlib
import json
import re
from collections import Counter

import pytest

from lab import BACKENDS, FULL, run

VIP = {"v4": "203.0.113.11", "v6": "[2001:db8:10::11]"}
PORTS = {"dsr": 9080, "ip4": 9081, "ip6": 9082, "gue4": 9083, "gue6": 9084}
IPERF = {"tunnel": 5202, "dsr": 5203}
FAR = 9085  # behind the router
MIB = 1 << 20
TRANSFER_BYTES = (100 if FULL else 16) * MIB
both_families = pytest.mark.parametrize("family", VIP)
every_way = pytest.mark.parametrize("way", PORTS)


def url(family, port, path=""):
    return f"http://{VIP[family]}:{port}/{path}"


def curl(*words):
    return run("client", "curl", "-sf", "--max-time", "120", *words, timeout=180).stdout


@pytest.fixture(scope="module")
def big_file(daemons):
    """(path in the client, name below nginx's root, sha256)"""
    path = daemons.run_dir / "www/direct.bin"
    with open("/dev/urandom", "rb") as noise:
        content = noise.read(MIB) * (TRANSFER_BYTES // MIB)
    path.write_bytes(content)
    yield path, path.name, hashlib.sha256(content).hexdigest()
    path.unlink()


def forget_mtus():
    """Of both ends: a backend that keeps one offers a smaller MSS. Without `table all`, ip flushes the main one alone."""
    for role in BACKENDS + ("client",):
        run(role, "ip", "route", "flush", "cache")
        run(role, "ip", "-6", "route", "flush", "table", "all", "cache")


@pytest.fixture
def narrow():
    """narrow(destination, mtu): the router's way there takes no more; as it was afterwards."""
    changed = []

    def change(destination, mtu):
        version = "-6" if ":" in destination else "-4"
        words = run("router", "ip", version, "route", "show", destination).stdout.split()
        gateway = words[words.index("via") + 1]
        run("router", "ip", "route", "replace", destination, "via", gateway, "mtu", "lock", mtu)
        changed.append((destination, gateway))

    yield change
    for destination, gateway in changed:
        run("router", "ip", "route", "replace", destination, "via", gateway)
    forget_mtus()


@every_way
@both_families
def test_curl(daemons, family, way):
    """Every backend answers, and sees the client's own address."""
    answers = Counter(curl(url(family, PORTS[way])).strip() for _ in range(40))
    assert set(answers) == set(BACKENDS), f"{answers}\n{daemons.evidence()}"
    headers = curl("-I", url(family, PORTS[way]))
    assert re.search(r"X-Peer: (\S+)", headers).group(1) in ("203.0.113.2", "2001:db8:10::2")


@every_way
@both_families
def test_answers_do_not_pass_the_balancer(daemons, family, way, big_file):
    _, name, digest = big_file
    before = sum(worker["rx_bytes"] for worker in daemons.ctl("counters")["workers"])
    said = run("client", "bash", "-c", f"curl -sf --max-time 120 '{url(family, PORTS[way], name)}' | sha256sum",
               timeout=180).stdout
    assert said.split()[0] == digest
    after = sum(worker["rx_bytes"] for worker in daemons.ctl("counters")["workers"])
    assert after - before < TRANSFER_BYTES / 5, "acknowledgments only"


@both_families
def test_download_over_a_narrow_way(daemons, family, big_file, narrow):
    """The router tells the VIP that answers are too big; the error finds its way into the backend's tunnel."""
    _, name, digest = big_file
    narrow("203.0.113.2" if family == "v4" else "2001:db8:10::2", 1320)
    before = sum(worker["icmp_translated"] for worker in daemons.ctl("counters")["workers"])
    for way in ("dsr", "ip4", "gue6"):
        said = run("client", "bash", "-c", f"curl -sf --max-time 120 '{url(family, PORTS[way], name)}' | sha256sum",
                   timeout=180).stdout
        assert said.split()[0] == digest, f"{way}\n{daemons.evidence()}"
    assert sum(worker["icmp_translated"] for worker in daemons.ctl("counters")["workers"]) > before


@every_way
@both_families
def test_upload(daemons, family, way, big_file):
    """Full-size segments do not fit a tunnel: the client hears so from the VIP."""
    path, _, digest = big_file
    backend = put(family, PORTS[way], path)
    assert uploaded(daemons, backend) == digest


@both_families
def test_upload_over_a_narrow_way(daemons, family, big_file, narrow):
    """The router tells our SNAT address that tunnelled packets are too big; the client hears of it from the VIP."""
    path, _, digest = big_file
    forget_mtus()
    narrow("10.73.1.1", 1400)
    narrow("fd73::21", 1400)
    backend = put(family, FAR, path)
    assert uploaded(daemons, backend) == digest
    learnt = re.search(r" mtu (\d+)", run("client", "ip", "route", "get", VIP[family].strip("[]")).stdout)
    assert learnt and int(learnt.group(1)) in (1400 - 20, 1400 - 40), "less by the outer header"


def put(family, port, path):
    said = curl("-i", "-T", path, url(family, port, "uploads/direct.bin"))
    assert " 201 " in said or " 204 " in said, said
    return re.search(r"X-Backend: (\S+)", said).group(1) if "X-Backend" in said else "backend1"


def uploaded(daemons, backend):
    file = daemons.run_dir / backend / "uploads/direct.bin"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()
    return digest


def flood(family, way, datagram_bytes, seconds):
    return json.loads(run("client", "iperf3", "-J", "-u", "-c", VIP[family].strip("[]"), "-p", IPERF[way], "-b", "5M", "-l",
                          datagram_bytes, "-t", seconds, timeout=60).stdout)


@pytest.mark.parametrize("datagram_bytes", [1200, 8192])
@pytest.mark.parametrize("way", IPERF)
@both_families
def test_iperf3_udp(daemons, family, way, datagram_bytes):
    """Datagrams that fit a tunnel, and in fragments that do not; what the backend got is its own word."""
    if (way, family) == ("tunnel", "v6") and datagram_bytes > 1500:
        # "Packet too big" is an error of the socket that learns of it, and ends iperf3.
        flood(family, way, datagram_bytes, 1)
    end = flood(family, way, datagram_bytes, 3)["end"]["sum"]
    assert end["packets"] > 200 and end["lost_percent"] < 5, end
