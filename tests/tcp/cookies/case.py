"""A client's handshake: what its SYN said comes back with the cookie, and nothing else proves the client."""
import time

import pytest
from scapy.layers.inet import TCP

from harness.flow import FAMILIES
from script.ends import wait_ms
from script.play import COOKIE_MSS, Script
from script.segment import BARE, Offer

EPOCH_MS = 32_768  # of the cookies' secret, by CLOCK_MONOTONIC


def prove_and_abort(made):
    """What the balancer offers the backend tells what it knows of the client; expect_syn compares."""
    backend = made.prove().expect_syn()
    made.abort(backend)


def test_mss_table(script):
    """Rounded down to one of eight, and to what our own ports carry."""
    for offered in (64, *COOKIE_MSS, 1459, 9000):
        prove_and_abort(script(80, offer=Offer(mss=offered)))


@pytest.mark.parametrize("scale", [None, 0, 1, 14, 20])
def test_window_scale(script, scale):
    """The SYN's window is the ACK's, unscaled."""
    prove_and_abort(script(80, offer=Offer(scale=scale)))


def test_sack_not_permitted(script):
    prove_and_abort(script(80, offer=Offer(sack=False)))


def test_client_without_timestamps(script):
    """Nobody sees any."""
    made = script(80, offer=Offer(timestamps=False))
    client, backend = made.splice(Offer(timestamps=False))
    client.send("PA", 1, 1, payload=b"plain")
    backend.expect_passed("PA", 1, 1, payload=b"plain")


def test_client_without_options(script):
    """536 and 1220 bytes are what every host takes."""
    made = script(80, offer=BARE)
    client, backend = made.splice(Offer(scale=None, sack=False, timestamps=False))
    client.send("PA", 1, 1, payload=b"plain")
    backend.expect_passed("PA", 1, 1, payload=b"plain")


def test_unknown_options_get_no_answer(script):
    """TCP Fast Open (RFC 7413): its cookie request is not known, its data not acknowledged."""
    made = script(80, offer=Offer(more=((34, b""),)))
    made.syn(payload=b"too early")
    made.expect_cookie()
    made.client.send("PA", 1, 1, payload=b"too early")
    backend = made.expect_syn()
    made.accept(backend)
    made.client.send("PA", 1, 1, payload=b"too early")
    backend.expect_passed("PA", 1, 1, payload=b"too early")


def test_syn_again(script):
    """Each is answered, and any of the answers is good."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    made.syn()
    made.expect_cookie(new_clock=True)
    made.client.send("A", 1, 1)
    made.accept(made.expect_syn())


def test_answer_lost(script):
    """It is said again after 1 s and 2 s more, and then no more."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    made.expect_cookie(after_ms=1000, new_clock=True)
    made.expect_cookie(after_ms=2000, new_clock=True)
    made.expect_silence(3000)
    made.client.send("A", 1, 1)
    made.accept(made.expect_syn())


def test_no_answer_again_for_a_client_that_came_back(script):
    made = script(80)
    made.splice()
    made.expect_silence(1500)


def test_ack_lost_before_data(script):
    """Data proves the client as its ACK would have, but there is no room for it yet."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    made.client.send("PA", 1, 1, payload=b"hello")
    backend = made.accept(made.expect_syn())
    made.client.send("PA", 1, 1, payload=b"hello")
    backend.expect_passed("PA", 1, 1, payload=b"hello")


def test_ack_lost_before_a_probe(script):
    """A client that waits for its window probes with the number before (RFC 9293 section 3.8.6.1)."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    made.client.send("A", 0, 1)
    made.accept(made.expect_syn())


def test_ack_twice(script):
    """One connection, one SYN."""
    made = script(80).prove()
    made.client.send("A", 1, 1)
    backend = made.expect_syn()
    made.client.send("A", 1, 1)
    made.expect_silence()
    made.accept(backend)


def test_fin_proves_the_client(script):
    """It closes at once; the FIN is no more acknowledged than data."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    made.client.send("FA", 1, 1)
    backend = made.accept(made.expect_syn())
    made.client.send("FA", 1, 1)
    backend.expect_passed("FA", 1, 1)


def test_wrong_cookie(script, bench):
    """A number too high, a client's number that is not the SYN's, another port: silence."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    for seq, ack in ((1, 2), (1, 0), (2, 1), (9, 1), (1, 0x1000_0000)):
        made.client.send("A", seq, ack)
    stranger = script(80)
    stranger.client.peer = made.client.peer
    stranger.client.send("A", 1, 1)
    bench.expect_drops("bad_cookie", 6)
    bench.wait_drops()
    made.expect_silence()


def test_other_segments_prove_nothing(script, bench):
    """A reset, or a SYN-ACK."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    for flags in ("R", "RA", "SA"):
        made.client.send(flags, 1, 1)
    bench.expect_drops("no_connection", 3)
    bench.wait_drops()
    made.expect_silence()


def test_corrupt_segments(script, bench):
    """A SYN and an ACK with a wrong checksum: nobody but the balancer would see it."""
    made = script(80)
    broken = made.syn()
    made.expect_cookie()
    broken[TCP].chksum = 1 + broken.__class__(bytes(broken))[TCP].chksum & 0xffff
    bench.client.send(broken)
    bench.expect_drops("bad_l4_checksum")
    bench.wait_drops()
    made.expect_silence()


def wait_for_next_epoch():
    now_ms = time.monotonic() * 1000
    wait_ms(EPOCH_MS - now_ms % EPOCH_MS + 50)


def test_secret_changes(bench):
    """A cookie is good for the rest of its epoch and the next one; both families wait together."""
    scripts = [[Script(bench, family, 80) for _ in range(2)] for family in FAMILIES]
    for both in scripts:
        for made in both:
            made.syn()
            made.expect_cookie()
    wait_for_next_epoch()
    bench.client.clear()  # the answers said again
    for made, _ in scripts:
        made.client.send("A", 1, 1)
        made.accept(made.expect_syn())
    wait_for_next_epoch()
    bench.client.clear()  # those that the first epoch was too short for
    for _, late in scripts:
        late.client.send("A", 1, 1)
        bench.expect_drops("bad_cookie")
    bench.wait_drops()
    for both in scripts:
        both[1].expect_silence()
