"""How spliced connections end: in either order, both at once, by a reset, and not by what was sent blindly."""
import pytest

from script.ends import passes


def state_of(bench, client):
    """As the balancer has it; None without a connection."""
    found = bench.connections(client)
    return found[0]["state"] if found else None


def close(first, second, seq=1, ack=1):
    passes(first, second, "FA", seq, ack)
    passes(second, first, "FA", ack, seq + 1)
    passes(first, second, "A", seq + 1, ack + 1)


@pytest.fixture
def ends(script):
    return script(80).splice()


def test_client_first(bench, ends):
    client, backend = ends
    close(client, backend)
    assert state_of(bench, client) == "time_wait"


def test_backend_first(bench, ends):
    client, backend = ends
    close(backend, client)
    assert state_of(bench, client) == "time_wait"


@pytest.mark.parametrize("swap", [False, True], ids=["client", "backend"])
def test_half_close(bench, ends, swap):
    """The other end goes on for as long as it likes."""
    closer, other = reversed(ends) if swap else ends
    passes(closer, other, "FPA", 1, 1, payload=b"all I have")
    for at in range(1, 3001, 1000):
        passes(other, closer, "A", at, 12, payload=b"x" * 1000)
        passes(closer, other, "A", 12, at + 1000)
    assert state_of(bench, ends[0]) == ("backend_fin" if swap else "client_fin")
    passes(other, closer, "FA", 3001, 12)
    passes(closer, other, "A", 12, 3002)


def test_both_at_once(bench, ends):
    """The FINs cross, then the ACKs."""
    client, backend = ends
    client.send("FA", 1, 1)
    backend.send("FA", 1, 1)
    backend.expect_passed("FA", 1, 1)
    client.expect_passed("FA", 1, 1)
    passes(client, backend, "A", 2, 2)
    passes(backend, client, "A", 2, 2)
    assert state_of(bench, client) == "time_wait"


def test_fin_lost_reordered_and_twice(ends):
    """A FIN before the data that it closes, and again; the last ACK is lost, and said again."""
    client, backend = ends
    passes(client, backend, "FA", 6, 1)
    passes(backend, client, "A", 1, 1)
    passes(client, backend, "PA", 1, 1, payload=b"hello")
    passes(client, backend, "FA", 6, 1)
    passes(backend, client, "FA", 1, 7)
    passes(backend, client, "FA", 1, 7)
    for _ in range(2):
        passes(client, backend, "A", 7, 2)
        passes(backend, client, "FA", 1, 7)
    passes(client, backend, "A", 7, 2)


@pytest.mark.parametrize("swap", [False, True], ids=["client", "backend"])
@pytest.mark.parametrize("flags", ["R", "RA"])
def test_reset(bench, ends, swap, flags):
    """Either end's, with its exact number."""
    closer, other = reversed(ends) if swap else ends
    passes(closer, other, "PA", 1, 1, payload=b"hello")
    passes(closer, other, flags, 6, 1 if "A" in flags else 0, options=[])
    assert state_of(bench, ends[0]) == "closed"


@pytest.mark.parametrize("swap", [False, True], ids=["client", "backend"])
def test_blind_reset(bench, ends, swap):
    """The receiver judges it (RFC 5961 section 3), and the connection goes on here as it does there."""
    closer, other = reversed(ends) if swap else ends
    passes(closer, other, "PA", 1, 1, payload=b"hello")
    for seq in (5, 7, 5000, 1 << 30):
        passes(closer, other, "R", seq, options=[])
    assert state_of(bench, ends[0]) == "established"
    passes(other, closer, "A", 1, 6)
    passes(closer, other, "PA", 6, 1, payload=b"still here")


def test_blind_syn_to_the_backend(bench, ends, script):
    """A SYN with the client's address stays here: a challenge, one number too low (RFC 5961 section 4)."""
    client, backend = ends
    challenges = bench.balancer.total("challenge_acks")
    for seq in (0, 1, 5000, 1 << 31):
        client.send("S", seq)
        client.expect("A", 0, 1, window=0)
    passes(client, backend, "PA", 1, 1, payload=b"hello")
    assert bench.balancer.total("challenge_acks") == challenges + 4


def test_blind_syn_to_the_client(ends):
    client, backend = ends
    for flags, seq in (("S", 5000), ("SA", 5000)):
        backend.send(flags, seq, 1)
        backend.expect("A", 0, 1)
    passes(backend, client, "PA", 1, 1, payload=b"hello")


@pytest.mark.parametrize("swap", [False, True], ids=["client", "backend"])
def test_blind_data_and_fin(bench, ends, swap):
    """From far off the window: passed on, and it moves nothing here, neither the state nor a good reset's number."""
    sender, other = reversed(ends) if swap else ends
    passes(sender, other, "PA", 1 << 30, 1, payload=b"injected")
    passes(sender, other, "FA", 1 << 30, 1)
    passes(sender, other, "FA", 1, 1 << 30)
    assert state_of(bench, ends[0]) == "established"
    passes(sender, other, "R", (1 << 30) + 8, options=[])
    assert state_of(bench, ends[0]) == "established"
    passes(sender, other, "R", 1, options=[])
    assert state_of(bench, ends[0]) == "closed"


def test_client_that_has_forgotten(bench, ends, script):
    """It restarts, and connects from the same port: our challenge, its reset, and a new connection."""
    client, backend = ends
    client.send("S", 70000)
    client.expect("A", 0, 1, window=0)
    passes(client, backend, "R", 1, options=[])
    made = script(80, client_port=client.client_port)
    made.splice()


def test_port_used_again(ends, script):
    """After both have closed, a newer SYN begins another connection."""
    client, backend = ends
    close(client, backend)
    made = script(80, client_port=client.client_port)
    made.client.own.isn += 70000
    again, other = made.splice()
    passes(again, other, "PA", 1, 1, payload=b"again")


def test_late_syn(bench, ends):
    """The first SYN once more, after both have closed: it is old, and begins nothing."""
    client, backend = ends
    close(client, backend)
    client.send("S", 0)
    client.expect("A", 1, 2, window=0)
    assert state_of(bench, client) == "time_wait"


def test_reset_in_answer_to_late_data(bench, ends):
    """An end that has closed wholly resets what still comes."""
    client, backend = ends
    passes(client, backend, "FA", 1, 1)
    passes(backend, client, "PA", 1, 2, payload=b"too late")
    passes(client, backend, "R", 1 + 1, options=[])
    assert state_of(bench, client) == "closed"
