"""From a proven client to a backend: what is said to it, for how long, and who is asked next."""
import pytest

from script.ends import passes
from script.play import service_counter
from script.segment import Offer

refusals = pytest.mark.parametrize("wait", [False, True], ids=["refused", "silent"])


def refuse(backend):
    backend.send("RA", 0, 1, window=0, options=[])


def expect_refusal(client, **fields):
    client.expect("RA", 1, 1, window=0, options=[], **fields)


def test_syn_again_until_it_is_answered(script):
    """After 250 ms, doubling, the very same SYN; an answer to the first or the last is good."""
    made = script(82).prove()
    backend = made.expect_syn()
    for after_ms in (250, 500, 1000):
        made.expect_syn(backend, after_ms=after_ms)
    made.accept(backend)
    made.expect_silence(300)


def test_syn_ack_lost(script):
    """The backend has answered each of our SYNs; we have heard the second answer, and hear the first one late."""
    made = script(82).prove()
    backend = made.expect_syn()
    made.expect_syn(backend, after_ms=250)
    made.accept(backend)
    made.answer_syn(backend)
    backend.expect("A", 1, 1)


def test_ack_to_the_backend_lost(script):
    """It says its SYN-ACK again and gets our ACK again; the client hears nothing of that."""
    made = script(80)
    client, backend = made.splice()
    for _ in range(2):
        made.answer_syn(backend)
        backend.expect("A", 1, 1)
    made.expect_silence()
    passes(client, backend, "PA", 1, 1, payload=b"hello")


def test_syn_ack_again_after_data(script):
    """Reordered behind the client's first bytes, which the backend may not have: the ACK says no more than it has."""
    made = script(80)
    client, backend = made.splice()
    passes(client, backend, "PA", 1, 1, payload=b"hello")
    made.answer_syn(backend)
    backend.expect("A", 1, 1)


def test_opening_lost(script):
    """The client's probe is the backend's to answer."""
    made = script(80)
    client, backend = made.splice()
    passes(client, backend, "A", 0, 1)
    passes(backend, client, "A", 1, 1, window=100)


def test_silent_backend(script, bench):
    """After the timeout it gets a reset, for a SYN that may still reach it, and another one is asked."""
    retries = bench.balancer.total("backend_retries")
    made = script(83).prove()
    first = made.expect_syn()
    made.expect_syn(first, after_ms=250)
    first.expect("R", 1, window=0, options=[], after_ms=600, since=first.begun_at)
    second = made.expect_syn()
    assert second.address != first.address
    client = made.client
    made.accept(second)
    passes(client, second, "PA", 1, 1, payload=b"hello")
    assert bench.balancer.total("backend_retries") == retries + 1


def test_refusing_backend(script):
    """Another one is asked at once."""
    made = script(80).prove()
    first = made.expect_syn()
    refuse(first)
    second = made.expect_syn()
    assert second.address != first.address
    made.accept(second)


def test_reset_without_ack_is_no_refusal(script):
    """Nor one that acknowledges something else: both may be anybody's."""
    made = script(80).prove()
    backend = made.expect_syn()
    backend.send("R", 0, options=[])
    backend.send("RA", 0, 2, options=[])
    made.expect_silence()
    made.accept(backend)


def test_all_refuse(script, bench):
    """Four tries, never the same twice in a row; the client is reset, and so is whatever it still sends."""
    refused = service_counter(bench, "plain", "refused")
    made = script(80).prove()
    asked = []
    for _ in range(4):
        backend = made.expect_syn()
        asked.append(backend.address)
        made.expect_silence()
        refuse(backend)
    assert all(one != other for one, other in zip(asked, asked[1:])), asked
    expect_refusal(made.client)
    made.client.send("PA", 1, 1, payload=b"hello?")
    expect_refusal(made.client)
    made.client.send("R", 1)
    made.expect_silence()
    bench.wait_for(lambda: service_counter(bench, "plain", "refused") == refused + 1)


@refusals
def test_nobody_else_to_ask(script, bench, wait):
    """A single backend is not asked again."""
    refused = service_counter(bench, "lone", "refused")
    made = script(81).prove()
    backend = made.expect_syn()
    if wait:
        made.expect_syn(backend, after_ms=250)
        backend.expect("R", 1, window=0, options=[], after_ms=600, since=backend.begun_at)
        expect_refusal(made.client)
    else:
        refuse(backend)
        expect_refusal(made.client)
    bench.wait_for(lambda: service_counter(bench, "lone", "refused") == refused + 1)
    bench.wait_for(lambda: "no backend took" in bench.balancer.logs())


def test_client_tries_again_after_a_refusal(script, bench):
    """From the same port, with any number: the old connection is over."""
    made = script(81).prove()
    refuse(made.expect_syn())
    expect_refusal(made.client)
    again = script(81, client_port=made.client.client_port)
    again.client.own.isn -= 1000
    client, backend = again.splice()
    passes(client, backend, "PA", 1, 1, payload=b"hello")


def test_data_on_the_syn_ack(script):
    """Fast Open that nobody asked for: not acknowledged, and not lost when it is said again."""
    made = script(80).prove()
    client, backend = made.client, made.expect_syn()
    made.answer_syn(backend, payload=b"220 ready\r\n")
    backend.expect("A", 1, 1)
    client.expect("A", 1, 1, window=64240 >> 7)
    made.expect_silence()
    passes(backend, client, "PA", 1, 1, payload=b"220 ready\r\n")


def test_late_answer(script, bench):
    """The SYN-ACK of a backend that was given up belongs to nobody."""
    made = script(83).prove()
    first = made.expect_syn()
    made.expect_syn(first, after_ms=250)
    first.expect("R", 1, window=0, options=[], after_ms=600, since=first.begun_at)
    second = made.expect_syn()
    made.answer_syn(first)
    bench.expect_drops("no_connection")
    bench.wait_drops()
    made.accept(second)


def test_answer_of_an_older_connection(script):
    """A half-open one on our port: it is reset, and the SYN that is said again begins ours (RFC 9293 section 3.5.1)."""
    made = script(82).prove()
    backend = made.expect_syn()
    backend.send("A", 4711, 5000, options=[])
    backend.expect("R", 4999 + 1, window=0, options=[])
    made.expect_syn(backend)
    made.accept(backend)


def test_client_gives_up(script):
    """Its reset ends ours with the backend, and nothing begins anew: neither is our answer to the SYN said again, nor
    does a late ACK connect."""
    made = script(80).prove()
    made.abort(made.expect_syn())
    made.expect_silence(1500)
    made.client.send("A", 1, 1)
    expect_refusal(made.client)


def test_blind_reset_of_the_client(script):
    """Only the exact number counts (RFC 5961 section 3); any other is answered."""
    made = script(80).prove()
    backend = made.expect_syn()
    for seq in (0, 2, 5000):
        made.client.send("R", seq)
        made.client.expect("A", 1, 1, window=0)
    made.expect_silence()
    made.accept(backend)


def test_client_syn_while_connecting(script):
    """Late, or forgotten: a challenge, no second connection."""
    made = script(80).prove()
    backend = made.expect_syn()
    made.syn()
    made.client.expect("A", 1, 1, window=0)
    made.expect_silence()
    made.accept(backend)


def test_closed_window_of_the_backend(script):
    """Its SYN-ACK has no window: the client's stays closed, and opens with the backend's own segment."""
    made = script(80)
    client, backend = made.splice(Offer(window=0))
    passes(client, backend, "A", 0, 1)
    passes(backend, client, "A", 1, 1, window=0)
    passes(backend, client, "A", 1, 1, window=300)
