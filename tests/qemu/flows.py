"""What the host at the other end of the card asks of the guest: flows to a service, and a download from the guest's own kernel."""
import hashlib
import itertools
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import wire

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
KINDS = pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
FLOWS, EXCHANGES, PAUSE_SECONDS = 64, 4, 0.01
client_ports = itertools.count(20000)  # the kernel may give one twice, which is no new flow


def exchange(vip, family, kind, number):
    """One flow; the answers that came back, which must be what a backend makes of the questions."""
    with wire.make_socket(family, kind) as client:
        client.bind(("", next(client_ports)))
        client.connect((vip, 80 if kind == socket.SOCK_STREAM else 53))
        backends = set()
        for turn in range(EXCHANGES):
            question = f"flow {number} turn {turn}".encode()
            client.sendall(question)
            backend, answer = client.recv(4096).split(b" ", 1)
            assert answer == question
            backends.add(backend)
            time.sleep(PAUSE_SECONDS)
        assert len(backends) == 1, backends
        return backends.pop()


def exchange_all(vip, family, kind):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: exchange(vip, family, kind, number), range(FLOWS)))


def in_wire(*words):
    return subprocess.run(["ip", "netns", "exec", wire.FAR, *words], capture_output=True, timeout=120)


def ping(address):
    """True: five of five came back."""
    return b"5 received" in in_wire("ping", "-c", "5", "-i", "0.2", "-W", "5", address).stdout


def check_download(guest, address):
    """As ssh would: what is not ours goes by the TAP, and comes back."""
    url = f"http://{f'[{address}]' if ':' in address else address}:8000"
    guest.run(f"mkdir -p /run/www; head -c 1000000 /dev/urandom >/run/www/file\n"
              f"python3 -m http.server --bind {address} --directory /run/www 8000 >/dev/null 2>&1 &\n"
              f"until curl -sfo /dev/null --noproxy '*' '{url}/'; do sleep 0.2; done")
    got = in_wire("curl", "-s", "--noproxy", "*", f"{url}/file")
    sum_there = guest.run("sha256sum /run/www/file; pkill -f http.server").split()[0]
    assert hashlib.sha256(got.stdout).hexdigest() == sum_there, f"{len(got.stdout)} bytes, {got.returncode}"
