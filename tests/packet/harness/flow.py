"""A client's conversation with a service, both ends played by the test; every frame is compared byte for byte.

What should arrive is built anew by scapy, checksums from scratch, so addresses, ports, TTL, checksums, options and
payload are all checked by one comparison.
"""
import itertools
from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.network import FRONT_MAC

CLIENT_MAC = "02:00:00:00:01:02"
TTL = 61
client_ports = itertools.cycle(range(20000, 1 << 16))  # its first flow is long over when a port comes again
identities = itertools.count()


def next_id():
    """A number of 32 bits that no frame has carried lately, for sequence numbers and payloads: frames are recognized by it.
    Neighbours differ in both halves; the numbers come round after some 57,000 and differ then, too."""
    return 0x10000000 + next(identities) * 0x10001 % 0xe0000000


@dataclass(frozen=True)
class Family:
    name: str
    layer: type
    client: str
    vip: str
    backends: tuple
    snat: tuple

    def ip(self, source, destination, ttl=TTL, **fields):
        """With marks in the fields that must come through unchanged."""
        if self.layer is IP:
            return IP(**{"src": source, "dst": destination, "ttl": ttl, "id": 0x4d52, "flags": "DF", "tos": 0x48} | fields)
        return IPv6(**{"src": source, "dst": destination, "hlim": ttl, "tc": 0x48, "fl": 0x4d52} | fields)


V4 = Family("v4", IP, "203.0.113.2", "203.0.113.10", ("10.72.1.1", "10.72.1.2", "10.72.1.3"),
            ("10.72.0.10", "10.72.0.11", "10.72.0.12", "10.72.0.13"))
V6 = Family("v6", IPv6, "2001:db8:10::2", "2001:db8:10::10", ("fd72::21", "fd72::22", "fd72::23"),
            ("fd72::10", "fd72::11", "fd72::12", "fd72::13"))
FAMILIES = (V4, V6)


def host_mac(address):
    """Every machine behind the back wire has a MAC of its own, made of the last digits of its address."""
    return f"02:00:00:00:02:{int(address.replace(':', '.').split('.')[-1], 16) | 0x80:02x}"


def with_ports(layer, source, destination):
    made = layer.copy()
    made.sport, made.dport = source, destination
    return made


def same_segment(frame, layer):
    """Is this frame the given TCP or UDP layer, whatever its ports?"""
    kind = type(layer)
    if kind not in frame:
        return False
    same = bytes(frame[kind].payload) == bytes(layer.payload)
    if kind is TCP:
        same = same and (frame[TCP].seq, frame[TCP].ack, frame[TCP].flags) == (layer.seq, layer.ack, layer.flags)
    return same


def assert_same(got, expected, where):
    wanted = bytes(expected)
    assert got.original == wanted, (f"{where}: not the frame that should arrive\n got: {Ether(got.original)!r}\n"
                                    f"want: {Ether(wanted)!r}")


def assert_icmp_checksums(got):
    """Of an ICMP message that the balancer wrote: recomputed by scapy, they come out the same."""
    again = got.copy()
    if IP in again:
        del again[IP].chksum
        del again[ICMP].chksum
    else:
        del again[2].cksum
    assert bytes(again) == got.original


class Flow:
    def __init__(self, bench, family, port, mode="fullnat", backend_port=None, client_port=None):
        self.bench, self.family, self.port, self.mode = bench, family, port, mode
        self.backend_port = backend_port or port
        self.client_port = client_port or next(client_ports)
        self.backend = self.source = self.source_port = None  # learnt from the first frame that arrives

    def client_frame(self, layer, ttl=TTL, **fields):
        return (Ether(src=CLIENT_MAC, dst=FRONT_MAC) / self.family.ip(self.family.client, self.family.vip, ttl, **fields)
                / with_ports(layer, self.client_port, self.port))

    def backend_frame(self, layer, ttl=TTL, **fields):
        return (Ether(src=host_mac(self.backend), dst=self.bench.back_mac)
                / self.family.ip(self.backend, self.source, ttl, **fields)
                / with_ports(layer, self.backend_port, self.source_port))

    def forward(self, layer):
        """From the client to the backend; returns what arrived there."""
        self.bench.client.send(self.client_frame(layer))
        return self.arrives_at_backend(layer)

    def arrives_at_backend(self, layer):
        got = self.bench.backend.take(lambda frame: same_segment(frame, layer))
        if self.backend is None:
            self._learn(got)
        expected = (Ether(src=self.bench.back_mac, dst=host_mac(self.backend))
                    / self.family.ip(self.source, self.backend, TTL - 1)
                    / with_ports(layer, self.source_port, self.backend_port))
        assert_same(got, expected, "at the backend")
        return got

    def reverse(self, layer):
        """From the backend to the client; returns what arrived there."""
        self.bench.backend.send(self.backend_frame(layer))
        return self.arrives_at_client(layer)

    def arrives_at_client(self, layer):
        got = self.bench.client.take(lambda frame: same_segment(frame, layer))
        expected = (Ether(src=FRONT_MAC, dst=CLIENT_MAC) / self.family.ip(self.family.vip, self.family.client, TTL - 1)
                    / with_ports(layer, self.port, self.client_port))
        assert_same(got, expected, "at the client")
        return got

    def _learn(self, got):
        packet = got[self.family.layer]
        segment = got[TCP] if TCP in got else got[UDP]
        self.backend, self.source, self.source_port = packet.dst, packet.src, segment.sport
        assert self.backend in self.bench.backend.hosts, f"sent to {self.backend}, which is no backend"
        if self.mode == "nat":
            assert (self.source, self.source_port) == (self.family.client, self.client_port)
        else:
            assert self.source in self.bench.snat_addresses, f"sent from {self.source}, outside the pool"


SYN_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]


class TcpFlow(Flow):
    """Keeps both sequence numbers; its steps are those of RFC 9293."""

    def __init__(self, bench, family, port, **options):
        super().__init__(bench, family, port, **options)
        self.client_seq, self.backend_seq = next_id(), next_id()

    def syn(self):
        return TCP(flags="S", seq=self.client_seq, ack=0, options=SYN_OPTIONS)

    def open(self):
        self.forward(self.syn())
        self.client_seq += 1
        self.reverse(TCP(flags="SA", seq=self.backend_seq, ack=self.client_seq, options=SYN_OPTIONS))
        self.backend_seq += 1
        self.forward(self.client_segment("A"))
        return self

    def client_segment(self, flags, payload=b""):
        return TCP(flags=flags, seq=self.client_seq, ack=self.backend_seq) / payload

    def backend_segment(self, flags, payload=b""):
        return TCP(flags=flags, seq=self.backend_seq, ack=self.client_seq) / payload

    def client_sends(self, payload, flags="PA"):
        got = self.forward(self.client_segment(flags, payload))
        self.client_seq += len(payload) + ("F" in flags)
        return got

    def backend_sends(self, payload, flags="PA"):
        got = self.reverse(self.backend_segment(flags, payload))
        self.backend_seq += len(payload) + ("F" in flags)
        return got

    def close(self):
        self.client_sends(b"", "FA")
        self.backend_sends(b"", "FA")
        self.forward(self.client_segment("A"))
