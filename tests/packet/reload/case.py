"""A new configuration touches nothing that stays in it; a bad one touches nothing at all."""
import pytest

from harness.flow import FAMILIES, V4, V6

WORKERS = (1, 2, 4)


@pytest.fixture
def config(bench):
    """The case's configuration; it stands again afterwards."""
    text = bench.balancer.config.read_text()
    yield text
    bench.balancer.reload(text)


def without_backend(text, *addresses):
    for address in addresses:
        shorter = text.replace(f'"{address}", ', "")
        assert shorter != text
        text = shorter
    return text


def test_backend_removed_and_added(bench, config, workers):
    flows = [bench.tcp(family, 80).open() for family in FAMILIES for _ in family.backends]
    for _ in range(5):
        bench.balancer.reload(without_backend(config, "10.72.1.1:80", "[fd72::21]:80"))
        fresh = [bench.tcp(family, 80).open().backend for family in FAMILIES for _ in range(4)]
        assert V4.backends[0] not in fresh and V6.backends[0] not in fresh
        for flow in flows:
            flow.client_sends(b"request")
            flow.backend_sends(b"answer")
        bench.balancer.reload(config)
    assert {bench.tcp(V4, 80).open().backend for _ in range(3 * workers)} == set(V4.backends)
    for flow in flows:
        flow.close()


def test_service_removed(bench, config):
    """It stays without backends until its last connection has ended by itself."""
    flow = bench.tcp(V4, 80).open()
    bench.balancer.reload(config.replace('10:80"', '10:83"').replace('10]:80"', '10]:83"')
                          .replace("[servers.web]", "[servers.moved]").replace("[servers.web.", "[servers.moved."))
    late = bench.tcp(V4, 80)
    bench.client.send(late.client_frame(late.syn()))
    bench.expect_drops("no_backend")
    bench.wait_drops()
    flow.client_sends(b"still here")
    flow.close()
    bench.tcp(V4, 83, backend_port=80).open().close()


def test_broken_file(bench, config):
    flow = bench.tcp(V4, 80).open()
    bench.balancer.write_config(config.replace('mode = "nat"', 'mode = "gnat"', 1))
    done = bench.balancer.run_millctl("reload")
    assert done.returncode != 0 and "gnat" in done.stdout + done.stderr
    flow.client_sends(b"as before")
    bench.check_traffic()
