"""Segments of a spliced connection in fragments: the first one has the numbers, the others only follow it."""
import pytest

from harness.flow import with_ports
from harness.pieces import gather, pieces
from script.segment import WINDOW, Offer, clocks, segment


def frame_of(end, flags, seq, ack, payload, options=None):
    options = clocks(0, 0) if options is None else options
    made = segment(end.own, end.peer, flags, seq, ack, WINDOW, options, payload, 0)
    return end.link_out() / end.ip_out(0) / with_ports(made, *end.ports_out())


def passes_in_pieces(sender, receiver, seq, ack, payload, backwards):
    frames = pieces(frame_of(sender, "PA", seq, ack, payload))
    sender.wire.send(*(frames[::-1] if backwards else frames))
    gather(receiver.wire, len(frames))
    receiver.expect_passed("PA", seq, ack, payload=payload)


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
def test_both_ways(script, backwards):
    client, backend = script(80).splice()
    passes_in_pieces(client, backend, 1, 1, b"GET " + b"x" * 1200, backwards)
    passes_in_pieces(backend, client, 1, 1205, b"200 " + b"y" * 1200, backwards)
    passes_in_pieces(client, backend, 1205, 1205, b"GET " + b"z" * 1200, backwards)


def test_to_a_client_that_was_promised_timestamps(script):
    """They would be put into the first fragment, which would then overlap the next one."""
    made = script(80)
    client, backend = made.splice(Offer(timestamps=False))
    frames = pieces(frame_of(backend, "PA", 1, 1, b"y" * 1200, options=[]))
    backend.wire.send(frames[0])
    made.bench.expect_drops("fragment")
    made.bench.wait_drops()
    assert not client.wire.take_all(client.is_mine)


def test_before_the_backend_is_connected(script):
    """A cookie's ACK cannot be verified in pieces, and what is behind it has no connection to follow."""
    made = script(80)
    made.syn()
    made.expect_cookie()
    frames = pieces(frame_of(made.client, "PA", 1, 1, b"x" * 600))
    made.client.wire.send(*frames)
    made.bench.expect_drops("no_connection")
    made.bench.expect_drops("fragment_orphan", len(frames) - 1)
    made.bench.wait_drops()
