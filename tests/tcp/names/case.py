"""Server names choose backends: the ClientHello is kept and acknowledged, and said to the backend that it chose."""
import pytest

from script.ends import passes
from script.headers import client_hello, header2, records
from script.play import TIMESTAMP_BYTES
from script.segment import Offer

HELLO_WINDOW = 16 * 1024
FIRST, SECOND, NAMELESS = 0, 1, 2  # which backend has which name, see config.toml


def window_left(count):
    return HELLO_WINDOW - count >> 7


def hello(name="www.example.org", fill=0):
    return records(client_hello(name, fill))


@pytest.fixture
def named(script):
    """A script whose client may send its hello at once."""
    return lambda port=443, **options: script(port, hello_window=HELLO_WINDOW, **options)


def expect_chosen(made, *positions):
    backend = made.expect_syn()
    assert made.family.backends.index(backend.address) in positions, backend.address
    return backend


def expect_kept(made, count):
    """The whole hello is here, and there is no room for more."""
    made.client.expect("A", 1, 1 + count, window=0)


def say_hello(made, stream):
    made.prove()
    made.expect_silence(20)
    made.client.send("PA", 1, 1, payload=stream)
    expect_kept(made, len(stream))


def take_hello(made, backend, stream, header=b""):
    """The backend answers, gets the hello, and talks on with the client."""
    client, said, end = made.client, header + stream, 1 + len(stream)
    made.answer_syn(backend)
    backend.expect("PA", 1, 1, payload=said)
    made.expect_silence(20)
    backend.send("A", 1, 1 + len(said), window=300)
    client.expect_passed("A", 1, end, window=300)
    backend.skip(len(header))
    passes(backend, client, "PA", 1, end, payload=b"server hello")
    passes(client, backend, "PA", end, 13, payload=b"finished")


@pytest.mark.parametrize("name,position", [("www.example.org", FIRST), ("SHOP.Example.ORG", SECOND),
                                           ("other.example.org", NAMELESS), (None, NAMELESS)])
def test_name_chooses(named, name, position):
    """In one segment. Case does not matter; who names none, or one that nobody has, gets the backend without."""
    made = named()
    stream = hello(name)
    say_hello(made, stream)
    take_hello(made, expect_chosen(made, position), stream)


def test_no_tls(named):
    """Counts as a connection without a name."""
    made = named()
    stream = b"GET / HTTP/1.0\r\n\r\n"
    say_hello(made, stream)
    take_hello(made, expect_chosen(made, NAMELESS), stream)


def test_hello_on_the_ack(named):
    """The ACK that proves the client carries it already."""
    made = named()
    stream = hello()
    made.syn()
    made.expect_cookie()
    made.client.send("PA", 1, 1, payload=stream)
    expect_kept(made, len(stream))
    take_hello(made, expect_chosen(made, FIRST), stream)


def test_several_segments(named):
    """Each is acknowledged, and takes from the window."""
    made = named()
    client, stream = made.client, hello(fill=3000)
    made.prove()
    parts = [(at, stream[at:at + 1000]) for at in range(0, len(stream), 1000)]
    for at, part in parts[:-1]:
        client.send("A", 1 + at, 1, payload=part)
        client.expect("A", 1, 1 + at + 1000, window=window_left(at + 1000))
    made.expect_silence(20)
    client.send("PA", 1 + parts[-1][0], 1, payload=parts[-1][1])
    expect_kept(made, len(stream))
    backend = expect_chosen(made, FIRST)
    made.answer_syn(backend)
    for at in range(0, len(stream), 1400):  # what one packet of ours holds
        backend.expect("PA", 1 + at, 1, payload=stream[at:at + 1400])
    backend.send("A", 1, 1 + len(stream))
    client.expect_passed("A", 1, 1 + len(stream))


def test_backend_with_a_small_mss(named):
    """It gets the hello in segments as it wants them: an MSS counts as if there were no options (RFC 9293 section
    3.7.1), so these come off the payload."""
    part_bytes = 300 - TIMESTAMP_BYTES
    made = named()
    stream = hello(fill=700)
    say_hello(made, stream)
    backend = expect_chosen(made, FIRST)
    made.answer_syn(backend, Offer(mss=300))
    for at in range(0, len(stream), part_bytes):
        backend.expect("PA", 1 + at, 1, payload=stream[at:at + part_bytes])
    backend.send("A", 1, 1 + part_bytes)
    backend.send("A", 1, 1 + len(stream))
    made.client.expect_passed("A", 1, 1 + len(stream))


def test_segments_lost_reordered_and_twice(named):
    """Behind a gap nothing is kept, and what is here already is acknowledged again."""
    made = named()
    client, stream = made.client, hello()
    made.prove()

    def send(begin, end, kept):
        client.send("A", 1 + begin, 1, payload=stream[begin:end])
        client.expect("A", 1, 1 + kept, window=window_left(kept))

    send(0, 10, 10)
    send(20, 30, 10)
    send(0, 10, 10)
    send(5, 20, 20)
    send(10, 20, 20)
    client.send("A", 21, 1, payload=stream[20:])
    expect_kept(made, len(stream))
    client.send("A", 21, 1, payload=stream[20:])
    expect_kept(made, len(stream))
    take_hello(made, expect_chosen(made, FIRST), stream)


def test_several_records(named):
    made = named()
    message = client_hello("shop.example.org")
    stream = records(message, 1, 5, 60)
    say_hello(made, stream)
    take_hello(made, expect_chosen(made, SECOND), stream)


def test_more_than_a_hello(named):
    """What follows it (early data) goes to the backend as well."""
    made = named()
    stream = hello() + b"\x17\x03\x03\0\x05early"
    say_hello(made, stream)
    take_hello(made, expect_chosen(made, FIRST), stream)


def test_data_behind_the_hello(named):
    """The window is closed while the backend is asked: it is not acknowledged."""
    made = named()
    client, stream = made.client, hello()
    say_hello(made, stream)
    backend = expect_chosen(made, FIRST)
    client.send("PA", 1 + len(stream), 1, payload=b"more")
    expect_kept(made, len(stream))
    take_hello(made, backend, stream)


def test_close_after_half_a_hello(named):
    """Nothing more will come: a connection without a name, whose FIN the client has to say again."""
    made = named()
    client, stream = made.client, hello()[:20]
    made.prove()
    client.send("FPA", 1, 1, payload=stream)
    expect_kept(made, len(stream))
    backend = expect_chosen(made, NAMELESS)
    made.answer_syn(backend)
    backend.expect("PA", 1, 1, payload=stream)
    backend.send("A", 1, 21)
    client.expect_passed("A", 1, 21)
    passes(client, backend, "FA", 21, 1)


@pytest.mark.parametrize("name", [None, "other.example.org"])
def test_unexpected_is_rejected(named, name):
    made = named(444)
    stream = hello(name)
    say_hello(made, stream)
    made.client.expect("RA", 1, 1 + len(stream), window=0, options=[])
    made.expect_silence()


def test_expected_is_not_rejected(named):
    made = named(444)
    stream = hello()
    say_hello(made, stream)
    take_hello(made, expect_chosen(made, FIRST), stream)


def test_unexpected_goes_anywhere(named):
    """All backends in turn, those with names too; a name still has its own."""
    chosen = set()
    for _ in range(3):
        made = named(445)
        say_hello(made, hello(None))
        backend = made.expect_syn()
        chosen.add(backend.address)
        take_hello(made, backend, hello(None))
    assert chosen == set(made.family.backends)
    made = named(445)
    say_hello(made, hello("shop.example.org"))
    take_hello(made, expect_chosen(made, SECOND), hello("shop.example.org"))


@pytest.mark.parametrize("name,position", [("www.example.org", FIRST), ("api.example.org", SECOND),
                                           ("www.example.net", FIRST), ("example.net", NAMELESS)])
def test_expressions(named, name, position):
    """The first one that matches decides."""
    made = named(446)
    stream = hello(name)
    say_hello(made, stream)
    take_hello(made, expect_chosen(made, position), stream)


def test_no_hello_in_time(named):
    """1 s for the whole of it, from the ACK on; parts do not make it longer."""
    made = named()
    client, stream = made.client, hello()
    made.prove()
    client.heard_at = since = client.heard_at
    client.send("A", 1, 1, payload=stream[:10])
    client.expect("A", 1, 11, window=window_left(10))
    client.expect("RA", 1, 11, window=0, options=[], after_ms=1000, since=since)
    client.send("A", 11, 1, payload=stream[10:])
    client.expect("RA", 1, 11, window=0, options=[])


def test_lost_towards_the_backend(named):
    """The client does not know; we say it again."""
    made = named()
    stream = hello()
    say_hello(made, stream)
    backend = expect_chosen(made, FIRST)
    made.answer_syn(backend)
    backend.expect("PA", 1, 1, payload=stream)
    backend.expect("PA", 1, 1, payload=stream, after_ms=250)
    backend.send("A", 1, 51)
    backend.expect("PA", 51, 1, payload=stream[50:], after_ms=250, since=backend.heard_at)
    backend.send("A", 1, 1 + len(stream))
    made.client.expect_passed("A", 1, 1 + len(stream))
    made.expect_silence(600)


def test_refused(named):
    """No other backend has the name, and those without are not for it."""
    made = named()
    stream = hello()
    say_hello(made, stream)
    backend = expect_chosen(made, FIRST)
    backend.send("RA", 0, 1, window=0, options=[])
    made.client.expect("RA", 1, 1 + len(stream), window=0, options=[])
    made.expect_silence()


def test_name_in_the_header(named):
    """PROXY v2 tells it to the backend, before the hello."""
    made = named(447)
    stream = hello()
    say_hello(made, stream)
    backend = expect_chosen(made, FIRST)
    made.answer_syn(backend)
    header = header2(made.client, backend.peek(), b"www.example.org")
    backend.expect("PA", 1, 1, payload=header + stream)
    backend.send("A", 1, 1 + len(header) - 5)
    backend.expect("PA", 1 + len(header) - 5, 1, payload=header[-5:] + stream, after_ms=250)
    backend.send("A", 1, 1 + len(header) + len(stream))
    made.client.expect_passed("A", 1, 1 + len(stream))
    backend.skip(len(header))
    passes(made.client, backend, "PA", 1 + len(stream), 1, payload=b"finished")
