"""What the balancer's kernel needs for a VLAN, and a bench whose both ends are in one.

The kernel's side of a VLAN is an interface on the device. Where the kernel has no 8021q, a veth stands in for it, and a
thread of the test does between its far end and the device what that module does: tags.
"""
import copy
import select
import subprocess
import threading
from dataclasses import replace

from harness.flow import V4, V6
from harness.network import LB, in_namespace, inside
from harness.wire import MACS, VLAN_TYPE, open_raw, receive_whole, tagged

FRONT_VLAN, BACK_VLAN = 100, 200
# Clients in the VLAN of the front wire; the service's addresses are the same as without.
TAGGED4 = replace(V4, client="198.51.100.2")
TAGGED6 = replace(V6, client="2001:db8:100::2")
TAGGED = (TAGGED4, TAGGED6)


def untagged_twin(family):
    return {TAGGED4: V4, TAGGED6: V6}[family]


class StandIn:
    """Between `device` and the far end of the interface's veth, until the namespace goes."""

    def __init__(self, device, far, vlan, namespace=LB):
        self.vlan = vlan
        self.device, self.far = (in_namespace(namespace, lambda name=name: open_raw(name)) for name in (device, far))
        self.closing = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.closing = True
        self.thread.join()
        self.device.close()
        self.far.close()

    def _run(self):
        head = VLAN_TYPE + self.vlan.to_bytes(2, "big")
        while not self.closing:
            for raw in select.select([self.device, self.far], [], [], 0.2)[0]:
                try:
                    data, _ = receive_whole(raw)
                    if raw is self.far:
                        self.device.send(tagged(data, self.vlan))
                    elif data[MACS:MACS + 4] == head:
                        self.far.send(data[:MACS] + data[MACS + 4:])
                except OSError:
                    return


def has_real_vlan(name):
    shown = inside(LB, "ip", "-d", "link", "show", name, stdout=subprocess.PIPE, text=True).stdout
    return "vlan protocol 802.1Q" in shown


def stand_ins():
    """Made by lb.sh: front100 and back200, or also their far ends where they are no VLAN interfaces."""
    pairs = (("front", FRONT_VLAN), ("back", BACK_VLAN))
    return [StandIn(device, f"{device}far", vlan) for device, vlan in pairs if not has_real_vlan(f"{device}{vlan}")]


def in_vlans(bench):
    """The same bench with clients and backends behind tags."""
    made = copy.copy(bench)
    made.client, made.backend = bench.client.lane(FRONT_VLAN), bench.backend.lane(BACK_VLAN)
    made.client.hosts = bench.client.hosts | {family.client: bench.client.hosts[V4.client] for family in TAGGED}
    made.backend.hosts = bench.backend.hosts
    made.client.clear()
    made.backend.clear()
    return made
