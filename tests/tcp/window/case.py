"""The client's window is closed until a backend is there, so that nothing of the client has to be kept."""
from script.ends import passes
from script.segment import WINDOW, Offer, clocks


def test_probe_is_answered(script):
    """Each time: what we have, and that there is no room. The window opens with the backend's answer."""
    made = script(82).prove()
    backend = made.expect_syn()
    for _ in range(3):
        made.client.send("A", 0, 1)
        made.client.expect("A", 1, 1, window=0)
    made.client.send("A", 1, 1, payload=b"p")  # a probe may carry a byte
    made.client.expect("A", 1, 1, window=0)
    made.accept(backend)


def test_data_is_not_acknowledged(script):
    """Whatever its order; the client says it again when it may."""
    made = script(80).prove()
    client, backend = made.client, made.expect_syn()
    for seq, payload in ((1, b"hello"), (6, b"world"), (1, b"hello")):
        client.send("PA", seq, 1, payload=payload)
        client.expect("A", 1, 1, window=0)
    made.expect_silence()
    made.accept(backend)
    passes(client, backend, "PA", 1, 1, payload=b"helloworld")


def test_fin_is_not_acknowledged(script):
    made = script(80).prove()
    client, backend = made.client, made.expect_syn()
    client.send("FA", 1, 1)
    client.expect("A", 1, 1, window=0)
    made.accept(backend)
    passes(client, backend, "FA", 1, 1)
    passes(backend, client, "FA", 1, 2)
    passes(client, backend, "A", 2, 2)


def test_plain_ack_gets_no_answer(script):
    """Two ends that answered each other's ACKs would never stop."""
    made = script(80).prove()
    backend = made.expect_syn()
    for _ in range(3):
        made.client.send("A", 1, 1)
    made.expect_silence()
    made.accept(backend)


def test_ack_of_what_was_never_sent(script):
    """A challenge, with the numbers that are right."""
    made = script(80).prove()
    backend = made.expect_syn()
    for ack in (0, 2, 9000):
        made.client.send("A", 1, ack)
        made.client.expect("A", 1, 1, window=0)
    made.accept(backend)


def test_client_window_while_connecting(script):
    """The backend learns the last one, not the one of the client's first ACK."""
    made = script(80).prove()
    client, backend = made.client, made.expect_syn()
    client.send("A", 1, 1, window=99)
    made.expect_silence()
    made.answer_syn(backend)
    backend.expect("A", 1, 1, window=99)
    client.expect("A", 1, 1, window=64240 >> 7)


def test_client_clock_while_connecting(script):
    """The backend is told the client's newest timestamp; an older one is no news (RFC 7323 section 5)."""
    made = script(82).prove()
    client, backend = made.client, made.expect_syn()
    client.send("A", 1, 1, options=clocks(40, 0))
    client.send("A", 1, 1, options=clocks(20, 0))
    client.send("A", 0, 1, options=clocks(50, 0))
    client.expect("A", 1, 1, window=0, options=clocks(0, 50))
    made.answer_syn(backend)
    backend.expect("A", 1, 1, options=clocks(50, 0))
    client.expect("A", 1, 1, window=64240 >> 7, options=clocks(0, 50))


def test_small_window_of_the_backend(script):
    """Less than one unit of the client's scale is not nothing."""
    client, backend = script(80).splice(Offer(window=100))
    passes(client, backend, "PA", 1, 1, payload=b"a" * 100)
    passes(backend, client, "A", 1, 101, window=WINDOW)


def test_zero_window_after_the_splice(script):
    """Closed, probed and opened by the two ends alone, in either direction."""
    client, backend = script(80).splice()
    passes(client, backend, "PA", 1, 1, payload=b"request")
    passes(backend, client, "A", 1, 8, window=0)
    passes(client, backend, "A", 7, 1)                        # a probe with the number before
    passes(backend, client, "A", 1, 8, window=0)
    passes(client, backend, "A", 8, 1, payload=b"p")          # one with a byte
    passes(backend, client, "A", 1, 8, window=0)
    passes(backend, client, "A", 1, 8, window=WINDOW)
    passes(client, backend, "A", 8, 1, window=0)
    passes(backend, client, "A", 0, 8)
    passes(client, backend, "A", 8, 1, window=0)
    passes(client, backend, "A", 8, 1, window=WINDOW)
