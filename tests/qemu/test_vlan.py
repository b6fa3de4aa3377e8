"""VLANs beside a kernel that has them (8021q): the guest's interfaces of two VLANs are found by their ids and have the addresses,
curl and ping of the guest's namespaces go through tagged ports, by AF_XDP and by packet sockets."""
import json
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import guest as guests
from conftest import BUILD, START

NAMESPACE = "mr-qemu-vlan"
START_SECONDS = 240  # the verifier walks the XDP program of two interfaces on an emulated CPU
# far NAMESPACE ID ADDRESS4 ADDRESS6: a client or backend; near DEVICE ID ADDRESS4 ADDRESS6: our kernel's side of its VLAN.
NETWORK = """
far() {
  ip netns exec $1 ethtool -K wire tx off txvlan off >/dev/null
  ip -n $1 link set dev lo up; ip -n $1 link set dev wire up
  ip -n $1 link add link wire name tag type vlan id $2; ip -n $1 link set dev tag up
  ip -n $1 address add $3 dev tag; ip -n $1 address add $4 dev tag nodad
}
near() {
  ip link set dev $1 up
  ip link add link $1 name $1.$2 type vlan id $2; ip link set dev $1.$2 up
  ip address add $3 dev $1.$2; ip address add $4 dev $1.$2 nodad
}
set -e
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
ip link set dev lo up
for pair in clients:front backends:back; do
  ip netns add ${pair%:*}
  ip link add name ${pair#*:} type veth peer name wire netns ${pair%:*}
  ethtool -K ${pair#*:} tx off gro off gso off tso off >/dev/null
done
far clients 100 198.51.100.2/24 2001:db8:100::2/64
far backends 200 10.72.1.1/16 fd72::21/64
near front 100 198.51.100.1/24 2001:db8:100::1/64
near back 200 10.72.0.1/16 fd72::1/64
ip -6 route add blackhole 2001:db8:10::10  # or the kernel, which sees what af_packet sees, says that it has no route
ip -n clients route add 203.0.113.0/24 via 198.51.100.1
ip -n clients route add 2001:db8:10::/64 via 2001:db8:100::1
echo one-file >/tmp/served
cd /tmp
ip netns exec backends python3 -m http.server 80 --bind :: >/dev/null 2>&1 &
"""
CONFIG = """
[dataplane]
workers = "0"
idle = "adaptive"
connections = 1_024
[[dataplane.port]]
name = "clients"
device = "@KIND@:front"
vlan = 100
[[dataplane.port]]
name = "backends"
device = "@KIND@:back"
vlan = 200
[api]
socket = "/run/millrace.sock"
[snat.lan]
addresses = ["10.72.0.10", "fd72::10"]
[servers.web]
bind = ["203.0.113.10:80", "[2001:db8:10::10]:80"]
  [servers.web.discovery]
  kind = "static"
  static_list = ["10.72.1.1:80", "[fd72::21]:80"]
"""
VIPS = {"ipv4": "203.0.113.10", "ipv6": "[2001:db8:10::10]"}
OF_THE_HOST = {"ipv4": "198.51.100.1", "ipv6": "2001:db8:100::1"}


@pytest.fixture(scope="module")
def machine():
    if problem := guests.missing():
        pytest.skip(problem)
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    with tempfile.TemporaryDirectory(prefix="millrace-qemu-") as folder:
        machine = guests.Guest(Path(folder), NAMESPACE, [])
        try:
            machine.wait_up()
            machine.run(NETWORK)
            yield machine
        finally:
            machine.stop()
            subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def status(machine):
    said = machine.run(f"{BUILD}/controlplane/millctl --json --socket /run/millrace.sock status", check=False)
    try:
        return json.loads(said)
    except ValueError:
        return {}


@pytest.fixture(scope="module", params=["af_xdp", "af_packet"])
def running(machine, request):
    config = CONFIG.replace("@KIND@", request.param)
    machine.run(f"cat >/run/millrace.toml <<'END'\n{config}\nEND\n{START}")
    deadline = time.monotonic() + START_SECONDS
    while status(machine).get("config", {}).get("state") != "applied":
        assert time.monotonic() < deadline, machine.run("tail -n 30 /run/*.log", check=False) + machine.logs()
        time.sleep(0.5)
    yield machine
    machine.run("pkill millrace; while pgrep millrace >/dev/null; do sleep 0.1; done; rm -f /run/*.log")


@pytest.mark.parametrize("family", VIPS)
def test_curl_over_tagged_ports(running, family):
    for _ in range(5):
        said = running.run(f"ip netns exec clients curl -sS --max-time 20 http://{VIPS[family]}/served")
        assert said.strip() == "one-file", said


@pytest.mark.parametrize("family", OF_THE_HOST)
def test_the_hosts_own_address_in_the_vlan(running, family):
    said = running.run(f"ip netns exec clients ping -c 3 -i 0.2 -W 5 {OF_THE_HOST[family]}")
    assert "3 received" in said, said


def test_vlan_interfaces_were_found_by_id(running):
    said = json.loads(running.run(f"{BUILD}/controlplane/millctl --json --socket /run/millrace.sock steering"))
    assert [(port["port"], port["vlan"]) for port in said["ports"]] == [("clients", 100), ("backends", 200)]
    assert all(port["rx_packets"] > 0 for port in said["ports"])
