"""The PROXY protocol header: the first bytes on the backend's connection, until they are acknowledged. The client's
window stays closed so long, and its bytes come behind the header."""
import pytest

from script.ends import passes
from script.headers import header1, header2
from script.segment import Offer


def begin(made, offer=Offer()):
    """Up to the backend's SYN-ACK; the backend and its header."""
    backend = made.prove().expect_syn()
    made.answer_syn(backend, offer)
    return backend, header1(made.client)


def acknowledged(made, backend, header, window=300):
    """The backend's ACK of the whole header opens the client's window; from now on both count alike."""
    backend.send("A", 1, 1 + len(header), window=window)
    made.client.expect_passed("A", 1, 1, window=window)
    backend.skip(len(header))


def talk(client, backend):
    passes(client, backend, "PA", 1, 1, payload=b"hello")
    passes(backend, client, "PA", 1, 6, payload=b"welcome")


def test_version1(script):
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    made.expect_silence()
    acknowledged(made, backend, header)
    talk(made.client, backend)


def expect_version2(made, backend):
    header = header2(made.client, backend.peek())
    backend.expect("PA", 1, 1, payload=header)
    return header


def test_version2(script):
    """Addresses, ports, an id of the connection and a checksum of all that."""
    made = script(85)
    backend, _ = begin(made)
    header = expect_version2(made, backend)
    acknowledged(made, backend, header)
    talk(made.client, backend)


def test_backends_differ(script):
    """Each gets what its own entry says: v2, none, or the service's."""
    seen = set()
    for _ in range(3):
        made = script(86)
        backend = made.prove().expect_syn()
        position = made.family.backends.index(backend.address)
        seen.add(position)
        if position == 1:
            made.accept(backend)
            talk(made.client, backend)
            continue
        made.answer_syn(backend)
        if position == 0:
            header = expect_version2(made, backend)
        else:
            header = header1(made.client)
            backend.expect("PA", 1, 1, payload=header)
        acknowledged(made, backend, header)
        talk(made.client, backend)
    assert seen == {0, 1, 2}


def test_lost(script):
    """Said again after 250 ms, doubling, until it is acknowledged."""
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    for after_ms in (250, 500):
        backend.expect("PA", 1, 1, payload=header, after_ms=after_ms)
    acknowledged(made, backend, header)
    talk(made.client, backend)
    made.expect_silence(1000)


def test_acknowledged_twice(script):
    """The header came twice, or the ACK did: the second passes as any segment of the backend."""
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    acknowledged(made, backend, header)
    passes(backend, made.client, "A", 1, 1, window=300)
    talk(made.client, backend)


def test_acknowledged_in_part(script):
    """What is missing is said again, and the time begins anew."""
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    backend.send("A", 1, 11)
    made.expect_silence(100)
    backend.expect("PA", 11, 1, payload=header[10:], after_ms=250)
    backend.send("A", 1, 21)
    backend.expect("PA", 21, 1, payload=header[20:])
    acknowledged(made, backend, header)
    talk(made.client, backend)


def test_acks_out_of_order(script):
    """An older ACK behind a newer one takes nothing back."""
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    backend.send("A", 1, 21)
    backend.send("A", 1, 11)
    backend.send("A", 1, 2 + len(header))  # of what was never said
    backend.expect("PA", 21, 1, payload=header[20:])
    acknowledged(made, backend, header)


def test_syn_ack_again(script):
    """The backend has missed our ACK, which the header carries as well."""
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    made.answer_syn(backend)
    backend.expect("PA", 1, 1, payload=header)
    acknowledged(made, backend, header)


def test_backend_speaks_first(script):
    """With the ACK of the header, its greeting is the client's at once."""
    made = script(84)
    client = made.client
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    backend.send("PA", 1, 1 + len(header), payload=b"220 ready\r\n")
    client.expect_passed("PA", 1, 1, payload=b"220 ready\r\n")
    backend.skip(len(header))
    passes(client, backend, "A", 1, 12)


def test_backend_speaks_before_the_header(script):
    """What it says before it has the header waits: not acknowledged, said again by the backend."""
    made = script(84)
    client = made.client
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    backend.send("PA", 1, 1, payload=b"220 ready\r\n")
    made.expect_silence(100)
    backend.expect("PA", 1, 1, payload=header)
    acknowledged(made, backend, header)
    passes(backend, client, "PA", 1, 1, payload=b"220 ready\r\n")


def test_backend_closes_with_the_ack(script):
    made = script(84)
    client = made.client
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    backend.send("FA", 1, 1 + len(header))
    client.expect_passed("FA", 1, 1)
    backend.skip(len(header))
    passes(client, backend, "FA", 1, 2)
    passes(backend, client, "A", 2, 2)


def test_small_window(script):
    """The header goes in parts when the backend has room for ten bytes only."""
    made = script(84)
    backend, header = begin(made, Offer(window=10))
    for at in range(0, len(header), 10):
        backend.expect("PA", 1 + at, 1, payload=header[at:at + 10])
        made.expect_silence(20)
        if at + 10 < len(header):
            backend.send("A", 1, 1 + at + 10, window=10)
    acknowledged(made, backend, header)


def test_closed_window(script):
    """A backend that has no room at all is probed with a byte."""
    made = script(84)
    backend, header = begin(made, Offer(window=0))
    backend.expect("PA", 1, 1, payload=header[:1])
    backend.expect("PA", 1, 1, payload=header[:1], after_ms=250)
    backend.send("A", 1, 2)
    backend.expect("PA", 2, 1, payload=header[1:])
    acknowledged(made, backend, header)


def test_client_while_the_header_is_under_way(script):
    """Its window is closed still: probes are answered, data is not acknowledged."""
    made = script(84)
    client = made.client
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    client.send("A", 0, 1)
    client.expect("A", 1, 1, window=0)
    client.send("PA", 1, 1, payload=b"hello")
    client.expect("A", 1, 1, window=0)
    acknowledged(made, backend, header)
    talk(client, backend)


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "silent"])
def test_backend_that_does_not_take_it(script, reset):
    """Another one gets the connection, and the header from its first byte on."""
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    if reset:
        backend.send("RA", 1, 1, options=[])
    else:
        backend.expect("PA", 1, 1, payload=header, after_ms=250)
        backend.expect("PA", 1, 1, payload=header, after_ms=500)
        end = 1 + len(header)
        backend.expect("RA", end, 1, window=0, options=[], after_ms=1500, since=backend.begun_at)
    second = made.expect_syn()
    assert second.address != backend.address
    made.answer_syn(second)
    second.expect("PA", 1, 1, payload=header)
    acknowledged(made, second, header)
    talk(made.client, second)


def test_blind_reset_of_the_backend(script):
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    backend.send("RA", 100, 1, options=[])
    backend.send("R", 0, options=[])
    made.expect_silence(50)
    acknowledged(made, backend, header)
    talk(made.client, backend)


def test_client_gives_up(script):
    """The backend's connection is established and half a header old: reset at the end of what was said."""
    made = script(84)
    backend, header = begin(made)
    backend.expect("PA", 1, 1, payload=header)
    backend.send("A", 1, 11)
    made.client.send("R", 1)
    backend.expect("RA", 1 + len(header), 1, window=0, options=[])
    made.expect_silence(600)
