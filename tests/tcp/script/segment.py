"""TCP segments in relative numbers, as scripts write them.

Sequence and acknowledgment numbers, SACK edges and timestamps count from what each side began with, so a script says
seq=1 for the first byte whatever the two connections of a proxied one really use.
"""
from dataclasses import dataclass

from scapy.layers.inet import TCP

MODULUS = 1 << 32
OWN_SCALE = 7  # the balancer's towards every client that scales
WINDOW = 512   # in every segment that says nothing else


@dataclass
class Start:
    """What one side of a TCP connection began with; None while unknown."""
    isn: int = None
    clock: int = None


@dataclass(frozen=True)
class Offer:
    """What a side says of itself in its SYN; None leaves the option out."""
    mss: int = 1460
    scale: int = 7
    sack: bool = True
    timestamps: bool = True
    window: int = 64240
    more: tuple = ()  # further options, as scapy writes them

    def options(self):
        """In the order in which the balancer writes them; nearly every stack does."""
        made = [("MSS", self.mss)] if self.mss is not None else []
        if self.timestamps:
            made += [("SAckOK", b"")] if self.sack else [("NOP", None)] * 2
            made += [("Timestamp", (0, 0))]
        elif self.sack:
            made += [("NOP", None), ("NOP", None), ("SAckOK", b"")]
        if self.scale is not None:
            made += [("NOP", None), ("WScale", self.scale)]
        return made + list(self.more)


BARE = Offer(mss=None, scale=None, sack=False, timestamps=False)


def clocks(value, echo):
    return [("NOP", None), ("NOP", None), ("Timestamp", (value, echo))]


def blocks(*edges):
    """SACK blocks, each (left, right)."""
    return [("NOP", None), ("NOP", None), ("SAck", tuple(edge for block in edges for edge in block))]


def segment(sender, receiver, flags, seq, ack, window, options, payload, urgent):
    """The TCP layer with real numbers; ports are the caller's."""
    acks = "A" in flags
    real = TCP(flags=flags, seq=(sender.isn + seq) % MODULUS, window=window, urgptr=urgent,
               ack=(receiver.isn + ack) % MODULUS if acks else 0,
               options=[real_option(option, sender, receiver, acks) for option in options])
    return real / payload if payload else real


def real_option(option, sender, receiver, acks):
    kind, value = option
    if kind == "Timestamp":
        return kind, ((sender.clock + value[0]) % MODULUS, (receiver.clock + value[1]) % MODULUS if acks else 0)
    if kind == "SAck":
        return kind, tuple((receiver.isn + edge) % MODULUS for edge in value)
    return option


def relative(number):
    """For messages: small numbers below and above the start."""
    return number - MODULUS if number >= MODULUS // 2 else number
