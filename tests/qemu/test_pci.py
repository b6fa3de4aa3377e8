"""A pci port end to end in a QEMU guest: virtio-net with four queues and RSS, taken whole from the guest's kernel by DPDK
through vfio. Clients and backends are this host's own stacks at the other end of the card.

QEMU emulates the CPU: rates mean nothing here, and some queues stay silent after a flood; so traffic is slow.
"""
import hashlib
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import wire
from conftest import HERE

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
FLOWS, EXCHANGES, PAUSE_SECONDS = 64, 4, 0.01


def in_wire(*words):
    return subprocess.run(["ip", "netns", "exec", wire.FAR, *words], capture_output=True, text=True, timeout=120)


def exchange(family, kind, number):
    """One flow; the answers that came back, which must be what a backend makes of the questions."""
    with wire.make_socket(family, kind) as client:
        client.connect((wire.VIP[family], 80 if kind == socket.SOCK_STREAM else 53))
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


def exchange_all(family, kind):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: exchange(family, kind, number), range(FLOWS)))


def handed_over(balancer):
    return balancer.ctl("steering")["ports"][0]["handed_over"]


def opened(balancer):
    return [worker["connections_opened"] for worker in balancer.ctl("counters")["workers"]]


def test_rss_is_chosen(balancer):
    [port] = balancer.ctl("steering")["ports"]
    assert (port["steering"], port["reason"]) == ("rss", "settings_taken"), port
    assert (port["queues"], port["workers_with_queue"], port["rss_key_bytes"], port["reta_size"]) == (4, 4, 40, 128)


@FAMILIES
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_flows_arrive_at_their_owners(balancer, family, kind):
    """Both directions: the card finds the owner of what clients send, and SNAT ports make it find that of the replies."""
    handed_before, opened_before = handed_over(balancer), opened(balancer)
    chosen = exchange_all(family, kind)
    assert len(set(chosen)) == 2
    new = [now - then for then, now in zip(opened_before, opened(balancer))]
    assert sum(new) == FLOWS and min(new) > 0, new
    assert handed_over(balancer) == handed_before


@FAMILIES
def test_ping_of_the_guests_kernel(balancer, family):
    done = in_wire("ping", "-c", "5", "-i", "0.2", "-W", "5", wire.GUEST[family])
    assert "5 received" in done.stdout, done.stdout + balancer.logs()


@FAMILIES
def test_tcp_to_the_guests_kernel(balancer, guest, family):
    """As ssh would: what is not ours goes by the TAP, and comes back."""
    address = wire.GUEST[family]
    url = f"http://{f'[{address}]' if ':' in address else address}:8000"
    guest.run(f"mkdir -p /run/www; head -c 1000000 /dev/urandom >/run/www/file\n"
              f"python3 -m http.server --bind {address} --directory /run/www 8000 >/dev/null 2>&1 &\n"
              f"until curl -sfo /dev/null --noproxy '*' '{url}/'; do sleep 0.2; done")
    got = subprocess.run(["ip", "netns", "exec", wire.FAR, "curl", "-s", "--noproxy", "*", f"{url}/file"],
                         capture_output=True, timeout=120)
    sum_there = guest.run("sha256sum /run/www/file; pkill -f http.server").split()[0]
    assert hashlib.sha256(got.stdout).hexdigest() == sum_there, f"{len(got.stdout)} bytes, {got.returncode}"


def test_killed_and_started_again(balancer):
    balancer.kill()
    balancer.start((HERE / "config.toml").read_text())
    assert len(exchange_all(socket.AF_INET, socket.SOCK_STREAM)) == FLOWS
    assert handed_over(balancer) == 0


def test_without_rss_workers_hand_over(balancer):
    """The same card left as it is: everything arrives all the same."""
    balancer.kill()
    config = (HERE / "config.toml").read_text()
    balancer.start(config.replace("queues = 4\n", 'queues = 4\nsteering = "handover"\n'))
    [port] = balancer.ctl("steering")["ports"]
    assert (port["steering"], port["reason"]) == ("handover", "configured"), port
    exchange_all(socket.AF_INET, socket.SOCK_STREAM)
    assert handed_over(balancer) > FLOWS
