"""The two ends of a script: each sends segments, and says which one must be the next to arrive."""
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, TTL, host_mac, with_ports
from harness.network import BACK_MAC, FRONT_MAC
from script.segment import MODULUS, WINDOW, Start, clocks, relative, segment

OWN_TTL = 64     # of what the balancer says itself
LATE_MS = 2 * 128 + 200  # the timer wheel's, and this machine's
EARLY_MS = 5     # clocks that are read one after the other
LATE_ANSWER_MS = 100  # of ours, which a repeat of what it answers may cross
REPEAT_MS = 250  # after which the balancer repeats what has not been answered


class End:
    """Arguments that send() and expect() share: flags as scapy writes them; seq, ack, options in relative numbers; the
    options are the timestamps of the start, where the connection has any, unless the script says others."""

    def __init__(self, bench, wire, family, start):
        self.bench, self.wire, self.family = bench, wire, family
        self.own, self.peer = start, Start()
        self.timestamps = False
        self.sent_end = 0  # the highest number that was sent
        self.begun_at = self.heard_at = None  # when the first frame came, and the last
        self.heard = None    # the last frame
        self.sent_at = None  # when the last one went

    def send(self, flags, seq, ack=0, payload=b"", window=WINDOW, options=None, urgent=0, ecn=0):
        made = segment(self.own, self.peer, flags, seq, ack, window, self._options(options), payload, urgent)
        frame = self.link_out() / self.ip_out(ecn) / with_ports(made, *self.ports_out())
        self.bench.take_turn(self.wire)
        self.sent_at = time.monotonic()
        self.wire.send(frame)
        self.sent_end = max(self.sent_end, seq + len(payload))
        return frame

    def expect(self, flags, seq, ack=0, payload=b"", window=WINDOW, options=None, after_ms=None, since=None,
               new_clock=False):
        """Said by the balancer itself."""
        return self._take((OWN_TTL, unmarked(self.family)),
                          (flags, seq, ack, window, self._options(options), payload, 0), after_ms, since, new_clock)

    def expect_passed(self, flags, seq, ack=0, payload=b"", window=WINDOW, options=None, urgent=0, ecn=0,
                      new_clock=False):
        """Sent by the other end."""
        return self._take((TTL - 1, marked(self.family, ecn)),
                          (flags, seq, ack, window, self._options(options), payload, urgent), None, None, new_clock)

    def peek(self):
        """The payload of the next frame, which stays the next."""
        return bytes(self.next_frame()[TCP].payload)

    def next_frame(self, seconds=3):
        got = self.wire.take(self.is_mine, seconds)
        self.wire.put_back(got)
        return got

    def skip(self, count):
        """The peer's numbers begin so many bytes later: behind what the balancer has said for it."""
        self.peer.isn = (self.peer.isn + count) % MODULUS

    def _options(self, options):
        if options is not None:
            return options
        return clocks(0, 0) if self.timestamps else []

    def _take(self, ip_fields, wanted, after_ms, since, new_clock):
        since = since or self.heard_at
        patience = 3 + (after_ms or 0) / 1000
        got = self.wire.take(self.is_mine, patience)
        self.learn(got, wanted, new_clock)
        made = segment(self.peer, self.own, *wanted)
        expected = bytes(self.link_in() / self.ip_in(*ip_fields) / with_ports(made, *self.ports_in()))
        while got.original != expected and self.is_repeat_that_we_caused(got):
            got = self.wire.take(self.is_mine, patience)
        self.heard, self.heard_at = got.original, got.time
        self.begun_at = self.begun_at or got.time
        assert got.original == expected, (f"not what should come next at the {self.name}\n"
                                          f" got: {self.shown(got.original)}\nwant: {self.shown(expected)}")
        if after_ms is not None:
            waited_ms = (got.time - since) * 1000
            assert after_ms - EARLY_MS <= waited_ms <= after_ms + LATE_MS, (
                f"{self.shown(expected)} came after {waited_ms:.0f} ms, not {after_ms}")
        return got

    def is_repeat_that_we_caused(self, got):
        """On a machine that stood still: what came last comes again, since our answer took so long."""
        if got.original != self.heard or self.sent_at is None:
            return False
        return (self.sent_at - self.heard_at) * 1000 > LATE_ANSWER_MS

    def is_repeat_in_due_time(self, got):
        """As that, or what was answered at once came again, since the balancer stood still before it read the answer."""
        return self.is_repeat_that_we_caused(got) or (
            got.original == self.heard and (got.time - self.heard_at) * 1000 > REPEAT_MS - EARLY_MS)

    def learn(self, got, wanted, new_clock):
        """The peer's first segment tells its numbers."""
        options = wanted[4]
        if self.peer.isn is None:
            self.peer.isn = (got[TCP].seq - wanted[1]) % MODULUS
        stamped = [value for kind, value in options if kind == "Timestamp"]
        found = [value for kind, value in got[TCP].options if kind == "Timestamp"]
        if stamped and found and (self.peer.clock is None or new_clock):
            self.peer.clock = (found[0][0] - stamped[0][0]) % MODULUS

    def shown(self, data):
        frame = Ether(data)
        tcp = frame[TCP]
        seq = relative((tcp.seq - (self.peer.isn or 0)) % MODULUS)
        ack = relative((tcp.ack - self.own.isn) % MODULUS)
        said = f"{tcp.flags} seq={seq} ack={ack} win={tcp.window} {tcp.options} {bytes(tcp.payload)[:60]!r}"
        return f"{said}\n      {frame!r:.1500}"


def ends_of(frame):
    packet = frame[IP] if IP in frame else frame[IPv6]
    return packet.dst, frame[TCP].dport, packet.src, frame[TCP].sport


def marked(family, ecn):
    """Fields of a frame that an end sends: ECN bits beside the marks that must come through."""
    return {"tos" if family.name == "v4" else "tc": 0x48 | ecn}


def unmarked(family):
    """Fields of what the balancer says."""
    return {"id": 0, "tos": 0} if family.name == "v4" else {"tc": 0, "fl": 0}


class Client(End):
    name = "client"

    def __init__(self, bench, family, port, client_port, start):
        super().__init__(bench, bench.client, family, start)
        self.port, self.client_port = port, client_port

    def is_mine(self, frame):
        return TCP in frame and (frame[TCP].sport, frame[TCP].dport) == (self.port, self.client_port)

    def link_out(self):
        return Ether(src=CLIENT_MAC, dst=FRONT_MAC)

    def link_in(self):
        return Ether(src=FRONT_MAC, dst=CLIENT_MAC)

    def ip_out(self, ecn):
        return self.family.ip(self.family.client, self.family.vip, **marked(self.family, ecn))

    def ip_in(self, ttl, fields):
        return self.family.ip(self.family.vip, self.family.client, ttl, **fields)

    def ports_out(self):
        return self.client_port, self.port

    def ports_in(self):
        return self.port, self.client_port


class Backend(End):
    """Whoever the balancer connects to: the first SYN tells its address, and the one that it comes from."""
    name = "backend"

    def __init__(self, bench, family, start, known):
        super().__init__(bench, bench.backend, family, start)
        self.known = known  # (address, port, peer's address, peer's port) -> the backend of an earlier connection
        self.ends = None

    def is_mine(self, frame):
        if TCP not in frame or self.family.layer not in frame:
            return False
        ends = ends_of(frame)
        return ends == self.ends if self.ends else ends not in self.known

    def learn(self, got, wanted, new_clock):
        if self.ends is None:
            self.ends = ends_of(got)
            self.known[self.ends] = self
        super().learn(got, wanted, new_clock)

    @property
    def address(self):
        return self.ends[0]

    def link_out(self):
        return Ether(src=host_mac(self.address), dst=BACK_MAC)

    def link_in(self):
        return Ether(src=BACK_MAC, dst=host_mac(self.address))

    def ip_out(self, ecn):
        return self.family.ip(self.ends[0], self.ends[2], **marked(self.family, ecn))

    def ip_in(self, ttl, fields):
        return self.family.ip(self.ends[2], self.ends[0], ttl, **fields)

    def ports_out(self):
        return self.ends[1], self.ends[3]

    def ports_in(self):
        return self.ends[3], self.ends[1]


def passes(sender, receiver, flags, seq, ack=0, arrives=None, **fields):
    """A segment that arrives as it was sent, but for what `arrives` names."""
    sender.send(flags, seq, ack, **fields)
    return receiver.expect_passed(flags, **{"seq": seq, "ack": ack} | fields | (arrives or {}))


def wait_ms(milliseconds):
    time.sleep(milliseconds / 1000)
