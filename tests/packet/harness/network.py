"""The balancer's host between two wires, whose far ends the tests hold in their hands as raw sockets.

    client wire ───── front  [namespace mp-lb]  back ───── backend wire
                      203.0.113.1, 2001:db8:10::1   10.72.0.1, fd72::1

Nothing but the tests lives on the wires: their far ends have no kernel addresses, so every frame there is the
dataplane's, the lb kernel's, or the test's own.
"""
import ctypes
import os
import subprocess
import threading

LB, CLIENT, BACKEND = "mp-lb", "mp-client", "mp-backend"
FRONT_MAC, BACK_MAC = "02:00:00:00:01:01", "02:00:00:00:02:01"
FRONT4, FRONT6, BACK4, BACK6 = "203.0.113.1", "2001:db8:10::1", "10.72.0.1", "fd72::1"
WIRE = "wire"  # the far end's device name in both namespaces

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def inside(namespace, *command, **options):
    return subprocess.run(["ip", "netns", "exec", namespace, *command], check=True, **options)


def in_namespace(namespace, make):
    """make() run by a thread that has joined the namespace; sockets made there stay there."""
    made = []

    def joined():
        try:
            with open(f"/run/netns/{namespace}", "rb") as file:
                if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            made.append(make())
        except Exception as error:  # handed to the caller below
            made.append(error)

    thread = threading.Thread(target=joined)
    thread.start()
    thread.join()
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


def link(far_namespace, device, mac, address4, address6):
    ip("link", "add", WIRE, "netns", far_namespace, "type", "veth", "peer", "name", device, "netns", LB)
    plain = ["tx", "off", "rx", "off", "gro", "off", "gso", "off", "tso", "off"]
    inside(far_namespace, "ethtool", "-K", WIRE, *plain, stdout=subprocess.DEVNULL)
    inside(LB, "ethtool", "-K", device, *plain, stdout=subprocess.DEVNULL)
    inside(far_namespace, "sysctl", "-qw", f"net.ipv6.conf.{WIRE}.disable_ipv6=1")
    ip("-n", far_namespace, "link", "set", WIRE, "up")
    ip("-n", LB, "link", "set", device, "address", mac, "up")
    ip("-n", LB, "address", "add", address4, "dev", device)
    ip("-n", LB, "address", "add", address6, "dev", device, "nodad")


def make_network():
    remove_network()
    for namespace in (LB, CLIENT, BACKEND):
        ip("netns", "add", namespace)
    inside(LB, "sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.default.accept_dad=0",
           "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.router_solicitations=0")
    ip("-n", LB, "link", "set", "lo", "up")
    link(CLIENT, "front", FRONT_MAC, f"{FRONT4}/24", f"{FRONT6}/64")
    link(BACKEND, "back", BACK_MAC, f"{BACK4}/16", f"{BACK6}/64")


def remove_network():
    for namespace in (LB, CLIENT, BACKEND):
        if os.path.exists(f"/run/netns/{namespace}"):
            ip("netns", "delete", namespace)
