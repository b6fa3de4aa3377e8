"""Two connections as one: every number of a segment in the receiver's own terms, and nothing else of it changed."""
from script.ends import passes
from script.segment import BARE, Offer, blocks, clocks


def test_data_goes_both_ways(script):
    client, backend = script(80).splice()
    passes(client, backend, "PA", 1, 1, payload=b"GET / HTTP/1.0\r\n\r\n")
    passes(backend, client, "A", 1, 19, payload=b"x" * 1400)
    passes(backend, client, "PA", 1401, 19, payload=b"odd")
    passes(client, backend, "A", 19, 1404, window=77)


def test_numbers_wrap(script):
    """The client's after 255 bytes, the backend's sign after 127."""
    client, backend = script(80).splice()
    passes(client, backend, "A", 1, 1, payload=b"a" * 250)
    passes(client, backend, "A", 251, 1, payload=b"b" * 10)
    passes(backend, client, "A", 1, 261, payload=b"c" * 120)
    passes(backend, client, "A", 121, 261, payload=b"d" * 20)
    passes(client, backend, "A", 261, 141)
