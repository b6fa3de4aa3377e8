"""Two connections as one: every number of a segment in the receiver's own terms, and nothing else of it changed."""
from scapy.layers.inet import ICMP, TCP
from scapy.layers.inet6 import ICMPv6PacketTooBig
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, TTL, V4, assert_same, host_mac
from harness.network import BACK_MAC, FRONT_MAC
from script.ends import passes, wait_ms
from script.play import TIMESTAMP_BYTES
from script.segment import MODULUS, Offer, blocks, clocks


def test_data_goes_both_ways(script):
    client, backend = script(80).splice()
    passes(client, backend, "PA", 1, 1, payload=b"GET / HTTP/1.0\r\n\r\n")
    passes(backend, client, "A", 1, 19, payload=b"x" * 1400)
    passes(backend, client, "PA", 1401, 19, payload=b"odd")
    passes(client, backend, "A", 19, 1404, window=77)


def test_data_right_behind_the_opening(script):
    """The client's first bytes and the backend's cross."""
    client, backend = script(80).splice()
    client.send("PA", 1, 1, payload=b"hello")
    backend.send("PA", 1, 1, payload=b"220 ready\r\n")
    backend.expect_passed("PA", 1, 1, payload=b"hello")
    client.expect_passed("PA", 1, 1, payload=b"220 ready\r\n")
    passes(client, backend, "A", 6, 12)
    passes(backend, client, "A", 12, 6)


def test_backend_speaks_before_our_ack_arrives(script):
    """Data on the heels of the SYN-ACK, before either end has said anything."""
    client, backend = script(80).splice()
    passes(backend, client, "PA", 1, 1, payload=b"220 ready\r\n")
    passes(client, backend, "PA", 1, 12, payload=b"HELO\r\n")


def test_numbers_wrap(script):
    """The client's after 255 bytes, the backend's sign after 127."""
    client, backend = script(80).splice()
    passes(client, backend, "A", 1, 1, payload=b"a" * 250)
    passes(client, backend, "A", 251, 1, payload=b"b" * 10)
    passes(backend, client, "A", 1, 261, payload=b"c" * 120)
    passes(backend, client, "A", 121, 261, payload=b"d" * 20)
    passes(client, backend, "A", 261, 141)


def test_lost_reordered_and_twice(script):
    """Nothing is kept, ordered or told apart: that is the two ends' own business."""
    client, backend = script(80).splice()
    for seq, payload in ((11, b"second ten"), (1, b"first ten!"), (1, b"first ten!"), (31, b"fourth ten"),
                         (21, b"third ten!")):
        passes(client, backend, "PA", seq, 1, payload=payload)
    for seq, ack in ((1, 11), (1001, 41), (1, 21), (1, 21), (501, 41)):
        passes(backend, client, "A", seq, ack, payload=b"x" * 500)
    passes(client, backend, "A", 41, 1501)


def test_sack_both_ways(script):
    """One block to three beside timestamps, and D-SACK (RFC 2883): edges below the acknowledged too."""
    client, backend = script(80).splice()
    for edges in (((101, 201),), ((101, 201), (301, 401)), ((1, 50), (301, 401), (501, 601))):
        passes(client, backend, "A", 1, 51, options=blocks(*edges)[2:] + clocks(0, 0))
        passes(backend, client, "A", 1, 51, options=blocks(*edges)[2:] + clocks(0, 0))


def test_sack_without_timestamps(script):
    """Up to four blocks."""
    client, backend = script(80, offer=Offer(timestamps=False)).splice(Offer(timestamps=False))
    edges = ((101, 201), (301, 401), (501, 601), (1, 50))
    passes(client, backend, "A", 1, 51, options=blocks(*edges))
    passes(backend, client, "A", 1, 51, options=blocks(*edges))


def test_backend_without_sack(script):
    """What it was not offered, it must not see: the client's blocks become NOPs."""
    client, backend = script(80).splice(Offer(sack=False))
    client.send("A", 1, 51, options=clocks(0, 0) + blocks((101, 201)))
    backend.expect_passed("A", 1, 51, options=clocks(0, 0) + [("NOP", None)] * 12)


def test_timestamps_both_ways(script):
    """Values and echoes, in the usual place and elsewhere; the client's wrap after 15."""
    client, backend = script(80).splice()
    passes(client, backend, "PA", 1, 1, payload=b"hello", options=clocks(10, 0))
    passes(backend, client, "PA", 1, 6, payload=b"welcome", options=clocks(7, 10))
    passes(client, backend, "A", 6, 8, options=clocks(40, 7))
    passes(backend, client, "A", 8, 6, options=clocks(1000, 40)[2:] + [("NOP", None), ("NOP", None)])
    passes(client, backend, "A", 6, 8, options=[("NOP", None)] + clocks(41, 1000)[2:] + [("NOP", None)])


def test_backend_without_timestamps(script):
    """The client was promised them: it gets our clock, and its own last value. The backend sees none."""
    client, backend = script(80).splice(Offer(timestamps=False))
    begun = client.peer.clock
    nops = [("NOP", None)] * 12
    client.send("PA", 1, 1, payload=b"hello", options=clocks(40, 0))
    backend.expect_passed("PA", 1, 1, payload=b"hello", options=nops)
    wait_ms(100)
    backend.send("PA", 1, 6, payload=b"welcome")
    client.expect_passed("PA", 1, 6, payload=b"welcome", options=clocks(0, 40), new_clock=True)
    assert 100 <= (client.peer.clock - begun) % MODULUS < 5000
    backend.send("FA", 8, 6)
    client.expect_passed("FA", 8, 6, options=clocks(0, 40), new_clock=True)
    client.send("A", 6, 9, options=clocks(39, 0))  # an older one, reordered
    backend.expect_passed("A", 6, 9, options=nops)
    backend.send("A", 9, 6)
    client.expect_passed("A", 9, 6, options=clocks(0, 40), new_clock=True)
    backend.send("R", 9)
    client.expect_passed("R", 9, options=[])  # a reset needs none


def test_mss_leaves_room_for_timestamps(script):
    """A backend that is not known to have them was told 12 bytes less, so its full segments fit with ours."""
    made = script(80)
    client, backend = made.splice(Offer(timestamps=False))
    full = b"x" * (made.own_mss - TIMESTAMP_BYTES)
    backend.send("A", 1, 1, payload=full)
    client.expect_passed("A", 1, 1, payload=full, options=clocks(0, 0), new_clock=True)


def test_four_sack_blocks_and_timestamps_have_no_room(script):
    """The oldest block goes."""
    client, backend = script(80).splice(Offer(timestamps=False))
    edges = ((101, 201), (301, 401), (501, 601), (701, 801))
    backend.send("A", 1, 1, options=blocks(*edges))
    client.expect_passed("A", 1, 1, options=clocks(0, 0) + blocks(*edges[:3]), new_clock=True)


def test_backend_without_window_scale(script):
    """Bytes to the one, units of 128 to the other; what is too large is held to 16 bits."""
    client, backend = script(80, offer=Offer(scale=3)).splice(Offer(scale=None, window=16384))
    passes(client, backend, "A", 1, 1, window=100, arrives={"window": 800})
    passes(client, backend, "A", 1, 1, window=30000, arrives={"window": 65535})
    passes(client, backend, "A", 1, 1, window=0)
    passes(backend, client, "A", 1, 1, window=12800, arrives={"window": 100})
    passes(backend, client, "A", 1, 1, window=65535, arrives={"window": 511})
    passes(backend, client, "A", 1, 1, window=0)


def test_backend_with_another_window_scale(script):
    """The client's scale was told to it, so only its own windows change."""
    client, backend = script(80).splice(Offer(scale=10))
    passes(backend, client, "A", 1, 1, window=100, arrives={"window": 800})
    passes(backend, client, "A", 1, 1, window=60000, arrives={"window": 65535})
    passes(client, backend, "A", 1, 1, window=100)
    client, backend = script(80).splice(Offer(scale=2))
    passes(backend, client, "A", 1, 1, window=3200, arrives={"window": 100})


def test_client_without_window_scale(script):
    """Then nobody scales."""
    client, backend = script(80, offer=Offer(scale=None)).splice(Offer(scale=None))
    passes(client, backend, "A", 1, 1, window=65535)
    passes(backend, client, "A", 1, 1, window=65535)


def test_urgent_pointer(script):
    client, backend = script(80).splice()
    passes(client, backend, "PAU", 1, 1, payload=b"ab!", urgent=3)
    passes(backend, client, "AU", 1, 4, payload=b"x" * 9, urgent=100)


def test_explicit_congestion_notification(script):
    """IP's two bits and TCP's three."""
    client, backend = script(80).splice()
    passes(client, backend, "PAC", 1, 1, payload=b"hello", ecn=2)
    passes(backend, client, "AE", 1, 6, ecn=0)
    passes(backend, client, "PA", 1, 6, payload=b"welcome", ecn=3)
    passes(client, backend, "AEC", 6, 8, ecn=1)
    passes(client, backend, "AN", 6, 8)


def test_keep_alives(script):
    """One number too low, with and without a byte; both ends answer for themselves."""
    client, backend = script(80).splice()
    passes(client, backend, "PA", 1, 1, payload=b"hello")
    passes(backend, client, "A", 1, 6)
    passes(client, backend, "A", 5, 1)
    passes(backend, client, "A", 1, 6)
    passes(backend, client, "A", 0, 6, payload=b"\0")
    passes(client, backend, "A", 6, 1)


def test_larger_mss_than_ours(script):
    """A jumbo client and backend: what we say to either is what our ports carry."""
    made = script(80, offer=Offer(mss=8940))
    client, backend = made.splice(Offer(mss=8940))
    full = b"x" * (made.own_mss - TIMESTAMP_BYTES)  # the option's room
    passes(client, backend, "A", 1, 1, payload=full)
    passes(backend, client, "A", 1, 1 + len(full), payload=full)


def icmp_error(family, source, target, ttl):
    error = ICMP(type=3, code=4, nexthopmtu=1280) if family is V4 else ICMPv6PacketTooBig(mtu=1280)
    fields = {"id": 3, "tos": 0, "flags": 0} if family is V4 else {"tc": 0, "fl": 0}
    return family.ip(source, target, ttl, **fields) / error


def is_error(frame):
    return ICMPv6PacketTooBig in frame or (ICMP in frame and frame[ICMP].type == 3)


def quoted(sent, arrived, family):
    """What the sender is shown: its own packet and numbers again, but the TTL and the options of what arrived."""
    shown = Ether(bytes(sent))
    shown[TCP].options = arrived[TCP].options
    del shown[TCP].chksum
    if family is V4:
        shown[1].ttl -= 1
        del shown[1].chksum
    else:
        shown[1].hlim -= 1
    return bytes(shown[1])


def test_too_big_for_the_way_to_the_backend(script, bench, family):
    """The error quotes what the client itself sent, in its own numbers: a sender looks for them in what it has in
    flight."""
    client, backend = script(80).splice()
    sent = client.send("A", 1, 1, payload=b"x" * 1300)
    arrived = backend.expect_passed("A", 1, 1, payload=b"x" * 1300)
    bench.backend.send(Ether(src=host_mac(backend.address), dst=BACK_MAC) /
                       icmp_error(family, backend.address, backend.ends[2], TTL) / arrived.original[14:])
    assert_same(bench.client.take(is_error), Ether(src=FRONT_MAC, dst=CLIENT_MAC) /
                icmp_error(family, family.vip, family.client, TTL - 1) / quoted(sent, arrived, family), "at the client")
    passes(client, backend, "A", 1, 1, payload=b"x" * 1000)


def test_too_big_for_the_way_to_the_client(script, bench, family):
    client, backend = script(80).splice()
    sent = backend.send("A", 1, 1, payload=b"x" * 1300)
    arrived = client.expect_passed("A", 1, 1, payload=b"x" * 1300)
    bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) /
                      icmp_error(family, family.client, family.vip, TTL) / arrived.original[14:])
    assert_same(bench.backend.take(is_error), Ether(src=BACK_MAC, dst=host_mac(backend.address)) /
                icmp_error(family, backend.ends[2], backend.address, TTL - 1) / quoted(sent, arrived, family),
                "at the backend")
    passes(backend, client, "A", 1, 1, payload=b"x" * 1000)


def test_no_room_for_timestamps(script, bench, family):
    """A backend without them that fills its packets all the same is told a smaller MTU, in its own packet's words."""
    made = script(80)
    client, backend = made.splice(Offer(timestamps=False))
    backend.send("A", 1, 1, payload=b"x" * (made.own_mss - TIMESTAMP_BYTES + 1))
    told = bench.backend.take(is_error)
    kind = ICMP if family is V4 else ICMPv6PacketTooBig
    assert (told[ICMP].nexthopmtu if family is V4 else told[kind].mtu) == 1500 - TIMESTAMP_BYTES
    assert told[1].dst == backend.address
    quote = told[kind].payload
    tcp = quote.getlayer("TCP in ICMP")
    assert (quote.src, quote.dst) == (backend.address, backend.ends[2])
    assert (tcp.sport, tcp.dport, tcp.seq) == (*backend.ports_out(), backend.own.isn + 1)
    passes_stamped = b"x" * (made.own_mss - TIMESTAMP_BYTES)
    backend.send("A", 1, 1, payload=passes_stamped)
    client.expect_passed("A", 1, 1, payload=passes_stamped, options=clocks(0, 0), new_clock=True)
