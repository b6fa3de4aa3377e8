"""A pci port end to end in a QEMU guest: virtio-net with four queues and RSS, taken whole from the guest's kernel by DPDK
through vfio. Clients and backends are this host's own stacks at the other end of the card.

QEMU emulates the CPU: rates mean nothing here, and some queues stay silent after a flood; so traffic is slow.
"""
import socket

import wire
from conftest import HERE
from flows import FAMILIES, FLOWS, KINDS, check_download, exchange_all, ping


def test_rss_is_chosen(balancer):
    [port] = balancer.ctl("steering")["ports"]
    assert (port["steering"], port["reason"]) == ("rss", "settings_taken"), port
    assert (port["queues"], port["workers_with_queue"], port["rss_key_bytes"], port["reta_size"]) == (4, 4, 40, 128)


@FAMILIES
@KINDS
def test_flows_arrive_at_their_owners(balancer, family, kind):
    """Both directions: the card finds the owner of what clients send, and SNAT ports make it find that of the replies."""
    handed_before, opened_before = balancer.handed_over(), balancer.opened()
    chosen = exchange_all(wire.VIP[family], family, kind)
    assert len(set(chosen)) == 2
    new = [now - then for then, now in zip(opened_before, balancer.opened())]
    assert sum(new) == FLOWS and min(new) > 0, new
    assert balancer.handed_over() == handed_before


@FAMILIES
def test_ping_of_the_guests_kernel(balancer, family):
    assert ping(wire.GUEST[family]), balancer.logs()


@FAMILIES
def test_tcp_to_the_guests_kernel(balancer, guest, family):
    check_download(guest, wire.GUEST[family])


def test_killed_and_started_again(balancer):
    balancer.kill()
    balancer.start((HERE / "config.toml").read_text())
    assert len(exchange_all(wire.VIP[socket.AF_INET], socket.AF_INET, socket.SOCK_STREAM)) == FLOWS
    assert balancer.handed_over() == 0


def test_without_rss_workers_hand_over(balancer):
    """The same card left as it is: everything arrives all the same."""
    balancer.kill()
    config = (HERE / "config.toml").read_text()
    balancer.start(config.replace("queues = 4\n", 'queues = 4\nsteering = "handover"\n'))
    [port] = balancer.ctl("steering")["ports"]
    assert (port["steering"], port["reason"]) == ("handover", "configured"), port
    exchange_all(wire.VIP[socket.AF_INET], socket.AF_INET, socket.SOCK_STREAM)
    assert balancer.handed_over() > FLOWS
