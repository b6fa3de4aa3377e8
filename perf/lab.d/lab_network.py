"""scripts/lab for perf/lab: the network, commands inside it, and a way past the balancer.

The client gets a second link, into the backends' own network, so that `direct` reaches them with no balancer between.
"""
import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build/release"
HUGEPAGES = TOP / "scripts/lab.d/hugepages.sh"
HUGEPAGE_COUNT = 512  # as scripts/quickstart
OFFLOADS = ("tx", "off", "rx", "off", "gro", "off", "gso", "off", "tso", "off")
# Ports of one client address last 64,000 connections: those of a proxy are free again at once, as the backends' are.
LB_SETTINGS = ("net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_max_tw_buckets=0", "net.core.somaxconn=8192",
               "net.ipv4.tcp_max_syn_backlog=8192", "net.ipv6.ip_nonlocal_bind=1")


class LabError(Exception):
    """One sentence for the operator."""


def call(*words, timeout=60, **more):
    """A command that must succeed; its output."""
    done = subprocess.run([str(word) for word in words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=timeout, **more)
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout.strip()}")
    return done.stdout


class LabNetwork:
    def __init__(self, name):
        self.name = name
        self.hugepages_before = None
        self.run_dir = Path(call(TOP / "scripts/lab", "dir", "--name", name).strip())

    def lab(self, verb, *words):
        return call(TOP / "scripts/lab", verb, "--name", self.name, *words)

    def command(self, role, *words):
        return ["ip", "netns", "exec", f"{self.name}-{role}", *map(str, words)]

    def inside(self, role, *words):
        return call(*self.command(role, *words))

    def up(self):
        self.reserve_hugepages()
        self.lab("up")
        call("ip", "link", "add", "eth1", "netns", f"{self.name}-client", "type", "veth", "peer", "name", "client",
             "netns", f"{self.name}-fabric")
        for role, device in (("client", "eth1"), ("fabric", "client")):
            self.inside(role, "ethtool", "-K", device, *OFFLOADS)
            self.inside(role, "ip", "link", "set", device, "up")
        self.inside("fabric", "ip", "link", "set", "client", "master", "switch")
        self.inside("client", "ip", "address", "add", "10.72.2.1/16", "dev", "eth1")
        self.inside("client", "ip", "address", "add", "fd72::201/64", "dev", "eth1", "nodad")
        self.inside("lb", "sysctl", "-qw", *LB_SETTINGS)

    def down(self):
        self.lab("down")
        if self.hugepages_before is not None:
            Path("/proc/sys/vm/nr_hugepages").write_text(self.hugepages_before)

    def reserve_hugepages(self):
        said = call("bash", "-c", '. "$0"; reserve_hugepages "$1" >&2 && echo "before=$hugepages_before"', HUGEPAGES,
                    HUGEPAGE_COUNT)
        self.hugepages_before = said.strip().rpartition("before=")[2] or None

    def pids(self):
        """Every process inside."""
        found = []
        for role in ("client", "lb", "fabric", "backend1", "backend2", "backend3"):
            found += subprocess.run(["ip", "netns", "pids", f"{self.name}-{role}"], text=True,
                                    capture_output=True).stdout.split()
        return [int(pid) for pid in found]

    def forget_neighbours(self):
        """The VIP moves between Millrace and the kernel: nobody may remember where it was."""
        for role in ("client", "backend1", "backend2", "backend3"):
            for family in ("-4", "-6"):
                self.inside(role, "ip", family, "neighbour", "flush", "all")

    def needs_root(self):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root; run: sudo perf/lab")
