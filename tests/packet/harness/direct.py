"""A client's flow to a service in mode dsr or tunnel, whose backends hear it and answer elsewhere."""
from dataclasses import dataclass

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness.flow import TTL, V4, V6, Flow, assert_same, host_mac

OUTER_TTL = 64
DYNAMIC_PORTS = range(49152, 65536)  # RFC 6335 section 6


@dataclass(frozen=True)
class Way:
    """How a service's packets reach its backends. `outer` is the family of a tunnel; None: dsr."""
    name: str
    port: int
    outer: object = None
    gue_port: int = 0

    def overhead(self):
        if self.outer is None:
            return 0
        return (20 if self.outer is V4 else 40) + (12 if self.gue_port else 0)


WAYS = (Way("dsr", 80), Way("ip4", 81, V4), Way("ip6", 82, V6), Way("gue4", 83, V4, 6080), Way("gue6", 84, V6, 6666))
TUNNELS = WAYS[1:]


class DirectFlow(Flow):
    """forward() and arrives_at_backend() of Flow, with the tunnel's headers around what should arrive."""

    def __init__(self, bench, family, way, client_port=None):
        super().__init__(bench, family, way.port, mode="dsr", client_port=client_port)
        self.way = way

    def inside(self, layer, ttl=TTL - 1, **fields):
        """The IP packet as the backend should see it once it is out of the tunnel."""
        return self.client_frame(layer, ttl=ttl, **fields)[1]

    def arrives_at_backend(self, layer, **fields):
        return self.packet_arrives(self.inside(layer, **fields))

    def packet_arrives(self, packet):
        wanted = bytes(packet)
        got = self.bench.backend.take(lambda frame: frame.original.endswith(wanted))
        if self.backend is None:
            self.learn(got)
        assert_same(got, Ether(src=self.bench.back_mac, dst=host_mac(self.backend)) / self.wrapped(packet, got),
                    "at the backend")
        return got

    def wrapped(self, packet, got):
        if self.way.outer is None:
            return packet
        proto = 4 if packet.version == 4 else 41
        tos = packet.tos if packet.version == 4 else packet.tc
        content = bytes(packet)
        if self.way.gue_port:
            content = UDP(sport=self.source_port, dport=self.way.gue_port,
                          **({"chksum": 0} if self.way.outer is V4 else {})) / Raw(bytes([0, proto, 0, 0]) + content)
            proto = 17
        if self.way.outer is V4:
            return IP(src=self.source, dst=self.backend, ttl=OUTER_TTL, id=0, flags="DF", tos=tos, proto=proto) / content
        return (IPv6(src=self.source, dst=self.backend, hlim=OUTER_TTL, tc=tos, nh=proto, fl=got[IPv6].fl) / content)

    def learn(self, got):
        if self.way.outer is None:
            self.backend = next(b for b in self.family.backends if host_mac(b) == got.dst)
            return
        outer = got[self.way.outer.layer]
        self.backend, self.source = outer.dst, outer.src
        assert self.backend in self.way.outer.backends and self.source in self.way.outer.snat
        if self.way.gue_port:
            self.source_port = got[UDP].sport
            assert self.source_port in DYNAMIC_PORTS

    def send(self, layer, **fields):
        self.bench.client.send(self.client_frame(layer, **fields))

    def syn(self, seq, options=()):
        return TCP(flags="S", seq=seq, ack=0, options=list(options))
