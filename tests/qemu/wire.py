"""The network that the guest's card is plugged into: a namespace of this host with real stacks for clients and backends."""
import socket
import subprocess
import threading
from pathlib import Path

from harness.network import in_namespace, inside, ip
from harness.vlan import StandIn

FAR, TAP = "mr-qemu", "mrwire"
VIP = {socket.AF_INET: "203.0.113.10", socket.AF_INET6: "2001:db8:10::10"}
GUEST = {socket.AF_INET: "203.0.113.1", socket.AF_INET6: "2001:db8:10::1"}
HERE = ("203.0.113.2/24", "2001:db8:10::2/64")
BACKENDS = ("203.0.113.101", "203.0.113.102", "2001:db8:10::101", "2001:db8:10::102")
CARD_MAC = "02:00:00:00:01:01"


def make(queues):
    """The namespace and the TAP; returns QEMU's words for a card at 00:10.0 that computes RSS."""
    remove()
    ip("netns", "add", FAR)
    inside(FAR, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
    ip("-n", FAR, "link", "set", "lo", "up")
    ip("-n", FAR, "tuntap", "add", TAP, "mode", "tap", "multi_queue")
    ip("-n", FAR, "link", "set", TAP, "up")
    for address in HERE:
        ip("-n", FAR, "address", "add", address, "dev", TAP)
    for address in BACKENDS:
        ip("-n", FAR, "address", "add", address + ("/128" if ":" in address else "/32"), "dev", TAP)
    return ["-netdev", f"tap,id=front,ifname={TAP},script=no,downscript=no,queues={queues}",
            "-device", f"virtio-net-pci,netdev=front,addr=0x10,mac={CARD_MAC},mq=on,vectors={2 * queues + 2},rss=on,"
            "iommu_platform=on,disable-legacy=on,romfile="]


def remove():
    if Path(f"/run/netns/{FAR}").exists():
        ip("netns", "delete", FAR)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def make_socket(family, kind):
    made = in_namespace(FAR, lambda: socket.socket(family, kind))
    made.settimeout(10)
    return made


class Vlan:
    """Addresses of ours behind a tag on the wire. A veth and a thread stand in for a VLAN interface (harness/vlan.py)."""

    def __init__(self, name, vlan, addresses):
        self.name = name
        ip("-n", FAR, "link", "add", "name", name, "type", "veth", "peer", "name", f"{name}far")
        inside(FAR, "ethtool", "-K", name, "tx", "off", "gso", "off", "tso", "off", stdout=subprocess.DEVNULL)
        for device in (name, f"{name}far"):
            ip("-n", FAR, "link", "set", device, "up")
        for address in addresses:
            ip("-n", FAR, "address", "add", address, "dev", name)
        self.tagger = StandIn(TAP, f"{name}far", vlan, FAR)

    def route(self, prefix, gateway):
        ip("-n", FAR, "route", "add", prefix, "via", gateway, "dev", self.name)

    def close(self):
        self.tagger.close()
        ip("-n", FAR, "link", "delete", "dev", self.name)


class Backends:
    """Each answers every message by its own address and the message."""

    def __init__(self, addresses=BACKENDS):
        self.sockets = []
        for address in addresses:
            self.start(address, 80, socket.SOCK_STREAM, self.serve_tcp)
            self.start(address, 53, socket.SOCK_DGRAM, self.serve_udp)

    def start(self, address, port, kind, serve):
        bound = make_socket(family_of(address), kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.settimeout(None)
        self.sockets.append(bound)
        threading.Thread(target=serve, args=(bound, address.encode()), daemon=True).start()

    def serve_tcp(self, bound, name):
        bound.listen(256)
        while True:
            try:
                connection, _ = bound.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self.serve_connection, args=(connection, name), daemon=True).start()

    @staticmethod
    def serve_connection(connection, name):
        with connection:
            while data := connection.recv(4096):
                connection.sendall(name + b" " + data)

    @staticmethod
    def serve_udp(bound, name):
        while True:
            try:
                data, client = bound.recvfrom(4096)
                bound.sendto(name + b" " + data, client)
            except OSError:
                return  # closed

    def close(self):
        for bound in self.sockets:
            bound.close()
