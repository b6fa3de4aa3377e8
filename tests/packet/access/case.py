"""Access rules, as gobetween words them: asked about whoever begins a connection, and about nothing that lives."""
import dataclasses
import json

import pytest
from scapy.layers.inet import TCP, UDP

from harness.direct import DirectFlow, Way
from harness.flow import CLIENT_MAC, FAMILIES, V4, next_id
from harness.pieces import pieces, skip_without_pieces

WORKERS = (1, 2, 4)
STRANGERS = {"v4": "203.0.113.3", "v6": "2001:db8:10::3"}
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture
def config(bench):
    text = bench.balancer.config.read_text()
    yield text
    bench.balancer.reload(text)


def stranger_of(bench, family):
    stranger = dataclasses.replace(family, client=STRANGERS[family.name])
    bench.client.hosts[stranger.client] = CLIENT_MAC
    return stranger


def denied(bench, service):
    rows = bench.balancer.get("/v1/services")["services"]
    return next(row["denied"] for row in rows if row["service"] == service)


def refused(bench, frame, count=1):
    """Counted, and answered by nothing at all: neither the kernel nor the balancer says that anybody is here."""
    for _ in range(count):
        bench.client.send(frame)
    bench.expect_drops("access_denied", count)
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: TCP in frame or UDP in frame)


@families
@pytest.mark.parametrize("service, port, mode", [("web", 80, "fullnat"), ("nat", 8080, "nat")])
def test_tcp_first_match_decides(bench, family, service, port, mode):
    before = denied(bench, service)
    late = bench.tcp(stranger_of(bench, family), port, mode=mode)
    refused(bench, late.client_frame(late.syn()), 3)
    assert denied(bench, service) == before + 3
    flow = bench.tcp(family, port, mode=mode).open()
    flow.client_sends(b"request")
    flow.backend_sends(b"answer")
    flow.close()


@families
def test_udp_default_deny(bench, family):
    late = bench.udp(stranger_of(bench, family), 53)
    refused(bench, late.client_frame(UDP() / next_id().to_bytes(4, "big")), 2)
    flow = bench.udp(family, 53)
    flow.forward(UDP() / next_id().to_bytes(4, "big"))
    flow.reverse(UDP() / next_id().to_bytes(4, "big"))


@families
def test_proxied_gets_no_cookie(bench, family):
    cookies = bench.balancer.total("cookies_sent")
    late = bench.tcp(family, 81)
    refused(bench, late.client_frame(late.syn()))
    refused(bench, late.client_frame(TCP(flags="A", seq=late.client_seq + 1, ack=next_id())))
    assert bench.balancer.total("cookies_sent") == cookies


@families
@pytest.mark.parametrize("way", [Way("dsr", 82), Way("tunnel", 83, V4)], ids=lambda way: way.name)
def test_direct_modes(bench, family, way):
    """A flow may begin with any segment there."""
    late = DirectFlow(bench, stranger_of(bench, family), way)
    for flags in ("S", "A"):
        refused(bench, late.client_frame(TCP(flags=flags, seq=next_id(), ack=next_id())))
    flow = DirectFlow(bench, family, way)
    for flags in ("S", "A"):
        flow.forward(TCP(flags=flags, seq=next_id(), ack=next_id()))


@families
def test_udp_in_fragments(bench, family, workers):
    """The first fragment is denied, which the others share."""
    skip_without_pieces(family, workers)
    late = bench.udp(stranger_of(bench, family), 53)
    first, *others = pieces(late.client_frame(UDP() / (next_id().to_bytes(4, "big") + bytes(1000))))
    refused(bench, first)
    bench.client.send(*others)
    bench.expect_drops("fragment_orphan", len(others))
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: UDP in frame)


@families
def test_reload_leaves_living_connections_alone(bench, config, family):
    flow = bench.tcp(family, 80).open()
    bench.balancer.reload(config.replace(f"allow {family.client}", f"deny {family.client}"))
    late = bench.tcp(family, 80)
    refused(bench, late.client_frame(late.syn()))
    flow.client_sends(b"I was here before")
    flow.backend_sends(b"so you may stay")
    flow.close()


def test_100000_rules_from_a_file(bench, config):
    """More than the command ring holds; connections live and begin while they are sent."""
    rules = bench.balancer.config.with_name("rules.txt")
    rules.write_text("# a list from elsewhere\n" +
                     "".join(f"deny 198.{18 + i // 65536}.{i // 256 % 256}.{i % 256}\n" for i in range(99_998)) +
                     f"deny {STRANGERS['v4']}\ndeny {STRANGERS['v6']}\n")
    flows = [bench.tcp(family, 80).open() for family in FAMILIES]
    table = "[servers.web.access]\nrules ="
    bench.balancer.reload(config.replace(table, f'[servers.web.access]\nrules_file = "{rules}"\n#'))
    row = next(row for row in bench.balancer.get("/v1/services")["services"] if row["service"] == "web")
    assert row["access"] == {"default": "allow", "rules": 100_000}
    for family in FAMILIES:
        late = bench.tcp(stranger_of(bench, family), 80)
        refused(bench, late.client_frame(late.syn()))
        bench.tcp(family, 80).open().close()
    for flow in flows:
        flow.client_sends(b"request")
        flow.close()


def test_a_bad_rule_changes_nothing(bench, config):
    bench.balancer.write_config(config.replace("allow 203.0.113.2/32", "allow 203.0.113.2/33"))
    done = bench.balancer.run_millctl("reload")
    assert done.returncode != 0 and "servers.dns.access.rules[0]" in done.stdout + done.stderr
    bench.udp(FAMILIES[0], 53).forward(UDP() / next_id().to_bytes(4, "big"))


def test_millctl_shows_them(bench):
    before = denied(bench, "web")
    late = bench.tcp(stranger_of(bench, FAMILIES[0]), 80)
    refused(bench, late.client_frame(late.syn()))
    rows = json.loads(bench.balancer.run_millctl("--json", "services").stdout)["services"]
    assert next(row for row in rows if row["service"] == "web")["denied"] == before + 1
    head, *lines = bench.balancer.run_millctl("services").stdout.splitlines()
    web = next(line for line in lines if line.startswith("web "))
    assert web[:head.index("DENIED") + len("DENIED")].split()[-1] == str(before + 1)
