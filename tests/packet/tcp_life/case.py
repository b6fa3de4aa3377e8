"""TCP connections from SYN to the end, in both modes and families, every frame exact."""
import pytest
from scapy.layers.inet import TCP

from harness.flow import FAMILIES, next_id

WORKERS = (1, 2, 4)
MODES = {"fullnat": {"port": 80}, "nat": {"port": 8080, "mode": "nat", "backend_port": 80}}
every_way = pytest.mark.parametrize("mode", MODES)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@every_way
@both_families
def test_life(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.client_sends(b"GET / HTTP/1.0\r\n\r\n")
    flow.backend_sends(b"x" * 1300)
    flow.backend_sends(b"odd")
    flow.client_sends(b"")
    flow.close()


@every_way
@both_families
def test_each_half_closes_alone(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.client_sends(b"request", "FPA")
    flow.reverse(flow.backend_segment("A"))
    for part in (b"still", b"coming"):
        flow.backend_sends(part)
    flow.backend_sends(b"", "FA")
    flow.forward(flow.client_segment("A"))


@every_way
@both_families
def test_reset_by_client(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.client_sends(b"", "R")


@every_way
@both_families
def test_reset_by_backend(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode]).open()
    flow.backend_sends(b"", "RA")


@every_way
@both_families
def test_refused(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode])
    flow.forward(flow.syn())
    flow.client_seq += 1
    flow.reverse(TCP(flags="RA", seq=0, ack=flow.client_seq))


@every_way
@both_families
def test_syn_again_goes_to_the_same_backend(bench, family, mode):
    flow = bench.tcp(family, **MODES[mode])
    for _ in range(3):
        flow.forward(flow.syn())


@every_way
@both_families
def test_client_port_used_again(bench, family, mode):
    """After a whole life, a new SYN from the same port is a new connection."""
    first = bench.tcp(family, **MODES[mode]).open()
    first.close()
    again = bench.tcp(family, client_port=first.client_port, **MODES[mode]).open()
    again.client_sends(b"second")
    again.close()


@both_families
def test_roundrobin(bench, family):
    """Each backend gets its turn, whatever came before; each worker deals its own connections."""
    workers = len(bench.balancer.workers())
    chosen = [bench.tcp(family, 80).open().backend for _ in range(15 * workers)]
    for backend in family.backends:
        assert abs(chosen.count(backend) - 5 * workers) < workers, chosen
    assert workers > 1 or chosen[:-3] == chosen[3:]


@both_families
def test_middle_of_nothing(bench, family):
    """Segments of no connection end silently: an RST from here could kill a connection that another host knows."""
    for flags in ("A", "PA", "FA", "R", "SA"):
        bench.client.send(bench.tcp(family, 80).client_frame(TCP(flags=flags, seq=next_id(), ack=1)))
        bench.expect_drops("no_connection")
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: TCP in frame)


@both_families
def test_ttl_ends_here(bench, family):
    flow = bench.tcp(family, 80).open()
    late = flow.client_segment("PA", b"late")
    bench.client.send(flow.client_frame(late, ttl=1), flow.client_frame(late, ttl=0))
    bench.expect_drops("ttl_expired", 2)
    bench.wait_drops()
    flow.client_sends(b"in time")
