"""VLANs on a card taken whole: the guest's kernel has an interface for each on the TAP, made by the dataplane. Clients and backends
are this host's own stacks behind tags; once beside a port without a VLAN, once with none.
"""
import socket

import pytest

import wire
from conftest import BUILD, HERE, Balancer
from flows import FAMILIES, FLOWS, KINDS, check_download, exchange_all, ping

CONFIG = (HERE / "config_vlan.toml").read_text()
UNTAGGED = '''[[dataplane.port]]
name = "front"
device = "pci:0000:00:10.0"
queues = 4

'''
VIP = {socket.AF_INET: "192.0.2.10", socket.AF_INET6: "2001:db8:20::10"}
GUEST = {socket.AF_INET: "198.51.100.1", socket.AF_INET6: "2001:db8:100::1"}
CLIENT = {socket.AF_INET: "198.51.100.2", socket.AF_INET6: "2001:db8:100::2"}
BACKENDS = ("10.72.1.1", "10.72.1.2", "fd72::101", "fd72::102")


def addresses(clients):
    """Of the guest's kernel in both VLANs."""
    return f"""
ip address add 198.51.100.1/24 dev {clients}; ip address add 2001:db8:100::1/64 dev {clients} nodad
ip address add 10.72.0.1/16 dev lan; ip address add fd72::1/64 dev lan nodad
"""


@pytest.fixture(scope="module")
def vlans(guest):
    clients = wire.Vlan("clients", 100, [f"{CLIENT[socket.AF_INET]}/24", f"{CLIENT[socket.AF_INET6]}/64"])
    clients.route(f"{VIP[socket.AF_INET]}/32", GUEST[socket.AF_INET])
    clients.route(f"{VIP[socket.AF_INET6]}/128", GUEST[socket.AF_INET6])
    lan = wire.Vlan("lan", 200, [f"{address}/{64 if ':' in address else 16}" for address in BACKENDS])
    backends = wire.Backends(BACKENDS)
    yield
    backends.close()
    lan.close()
    clients.close()


@pytest.fixture(scope="module", params=["trunk", "tagged_only"])
def running(guest, vlans, request):
    balancer = Balancer(guest)
    balancer.kill()
    balancer.has_untagged = request.param == "trunk"
    if balancer.has_untagged:
        balancer.interface = "front.100"
        balancer.start(CONFIG)
    else:
        balancer.interface = "clients.100"
        balancer.start(CONFIG.replace(UNTAGGED, ""), addresses="")
    guest.run(addresses(balancer.interface))
    yield balancer
    balancer.kill()


def test_the_dataplane_makes_interfaces_of_the_vlans(running, guest):
    for name, vlan in ((running.interface, 100), ("lan", 200)):
        shown = guest.run(f"ip -d link show dev {name}")
        assert f"vlan protocol 802.1Q id {vlan} " in shown and wire.CARD_MAC in shown and ",UP" in shown, shown
    ports = running.ctl("steering")["ports"]
    assert {port["port"]: port["vlan"] for port in ports if port["vlan"]} == {"clients": 100, "backends": 200}
    assert {(port["steering"], port["reason"]) for port in ports} == {("rss", "settings_taken")}, ports


@FAMILIES
@KINDS
def test_flows_of_tagged_ports_arrive_at_their_owners(running, family, kind):
    """The card hashes what stands behind the tag."""
    handed_before, opened_before = running.handed_over(), running.opened()
    assert len(set(exchange_all(VIP[family], family, kind))) == 2
    new = [now - then for then, now in zip(opened_before, running.opened())]
    assert sum(new) == FLOWS and min(new) > 0, new
    assert running.handed_over() == handed_before


@FAMILIES
def test_ping_of_the_guests_kernel_in_the_vlan(running, family):
    assert ping(GUEST[family]), running.logs()


@FAMILIES
def test_ping_by_the_guests_kernel_in_the_vlan(running, guest, family):
    said = guest.run(f"ping -c 3 -i 0.2 -W 5 {CLIENT[family]}", check=False)
    assert "3 received" in said, said + running.logs()


@FAMILIES
def test_tcp_to_the_guests_kernel_in_the_vlan(running, guest, family):
    check_download(guest, GUEST[family])


@FAMILIES
def test_ping_of_the_guests_kernel_without_a_tag(running, family):
    if not running.has_untagged:
        pytest.skip("every port has a VLAN")
    assert ping(wire.GUEST[family]), running.logs()


def test_interfaces_go_with_the_tap_and_without_8021q_the_start_says_what_to_load(guest):
    Balancer(guest).kill()
    assert "@" not in guest.run("ip -o link show type vlan; rmmod 8021q")
    said = guest.run(f"{BUILD}/dataplane/millrace-dataplane --config /run/millrace.toml", check=False)
    assert "port clients (pci:0000:00:10.0)" in said and "modprobe 8021q" in said, said
