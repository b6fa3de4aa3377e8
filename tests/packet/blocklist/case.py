"""The blocklist: nothing from its prefixes gets through to a VIP, not even on connections that live."""
import dataclasses

import pytest
from scapy.layers.inet import ICMP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, FAMILIES, V4, V6, next_id
from harness.network import FRONT4, FRONT6, FRONT_MAC
from harness.pieces import pieces

WORKERS = (1, 2, 4)  # beside one an XDP program enforces it, several do it themselves
STRANGERS = {"v4": "203.0.113.3", "v6": "2001:db8:10::3"}
ETHER = Ether(src=CLIENT_MAC, dst=FRONT_MAC)
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
services = pytest.mark.parametrize("port, mode", [(80, "fullnat"), (8080, "nat")], ids=["fullnat", "nat"])


@pytest.fixture
def config(bench):
    text = bench.balancer.config.read_text()
    yield text
    bench.balancer.reload(text)


@pytest.fixture
def block(bench, config):
    """A function that makes these prefixes the blocklist."""
    def become(*prefixes):
        bench.balancer.reload(f"{config}\n[blocklist]\nprefixes = {list(prefixes)}\n")
    return become


@pytest.fixture
def blocked(block):
    block(f"{STRANGERS['v4']}/32", "2001:db8:10::3")


def stranger_of(bench, family):
    stranger = dataclasses.replace(family, client=STRANGERS[family.name])
    bench.client.hosts[stranger.client] = CLIENT_MAC
    return stranger


def status(bench):
    return bench.balancer.get("/v1/status")["blocklist"]


def has_xdp(bench):
    return "af_xdp:" in bench.balancer.config.read_text()


def dropped(bench, *frames, packets=None):
    """Counted as blocked, by the XDP program where there is one, and no answer. Nothing of it reaches a backend."""
    packets = packets or len(frames)
    in_xdp = status(bench)["packets_in_xdp"]
    bench.backend.clear()
    bench.client.send(*frames)
    bench.expect_drops("blocked", packets)
    bench.wait_drops()
    assert status(bench)["packets_in_xdp"] - in_xdp == (packets if has_xdp(bench) else 0)
    bench.nothing_for_client(lambda frame: frame.src == FRONT_MAC and frame.dst == CLIENT_MAC)
    assert not bench.backend.take_all(lambda frame: TCP in frame or UDP in frame)


@families
@services
def test_connections_do_not_begin(bench, blocked, family, port, mode):
    late = bench.tcp(stranger_of(bench, family), port, mode=mode)
    dropped(bench, late.client_frame(late.syn()), late.client_frame(late.client_segment("A")))
    bench.tcp(family, port, mode=mode).open().close()


@families
def test_proxied_gets_no_cookie(bench, blocked, family):
    late = bench.tcp(stranger_of(bench, family), 81)
    dropped(bench, late.client_frame(late.syn()))


@families
def test_everything_else_to_the_vip(bench, blocked, family):
    """Ports without a service, pings, datagrams."""
    stranger = stranger_of(bench, family)
    echo = ICMP() if family is V4 else ICMPv6EchoRequest()
    dropped(bench, bench.tcp(stranger, 9).client_frame(TCP(flags="S", seq=next_id())),
            ETHER / stranger.ip(stranger.client, stranger.vip) / echo,
            bench.udp(stranger, 53).client_frame(UDP() / next_id().to_bytes(4, "big")))


@families
def test_fragments_do_not_wait(bench, blocked, family):
    """Later ones first. The kernel hands af_packet ports IPv4 packets whole."""
    datagram = bench.udp(stranger_of(bench, family), 53).client_frame(UDP() / (next_id().to_bytes(4, "big") + bytes(1000)))
    parts = list(reversed(pieces(datagram)))
    dropped(bench, *parts, packets=1 if family is V4 and not has_xdp(bench) else len(parts))


@families
@services
def test_a_living_connection_stops_and_goes_on(bench, block, family, port, mode):
    others = [bench.tcp(family, port, mode=mode).open() for family in FAMILIES]
    flow = bench.tcp(stranger_of(bench, family), port, mode=mode).open()
    block("203.0.113.3", "2001:db8:10::3")
    flow.backend_sends(b"what the backend says still goes out")
    dropped(bench, flow.client_frame(flow.client_segment("PA", b"request")),
            flow.client_frame(flow.client_segment("R")))
    for other in others:
        other.client_sends(b"not meant")
    block("198.51.100.0/24")
    flow.client_sends(b"request")
    flow.backend_sends(b"answer")
    for still_there in [flow, *others]:
        still_there.close()


@families
def test_a_living_session_stops_and_goes_on(bench, block, family):
    session = bench.udp(stranger_of(bench, family), 53)
    session.forward(UDP() / next_id().to_bytes(4, "big"))
    block("203.0.113.3", "2001:db8:10::3")
    dropped(bench, session.client_frame(UDP() / next_id().to_bytes(4, "big")))
    block("198.51.100.0/24")
    session.forward(UDP() / next_id().to_bytes(4, "big"))


def test_one_familys_prefix_holds_none_of_the_other(bench, block):
    """IPv4 addresses are kept as IPv4-mapped ones, which ::/0 would hold."""
    block("::/0")
    bench.tcp(V4, 80).open().close()
    late = bench.tcp(V6, 80)
    dropped(bench, late.client_frame(late.syn()))
    block("0.0.0.0/0")
    bench.tcp(V6, 80).open().close()
    late = bench.tcp(V4, 80)
    dropped(bench, late.client_frame(late.syn()))


@families
def test_backends_answers_are_not_to_a_vip(bench, block, family):
    block("10.72.0.0/16", "fd72::/16")
    for port, mode in ((80, "fullnat"), (8080, "nat")):
        flow = bench.tcp(family, port, mode=mode).open()
        flow.backend_sends(b"answer")
        flow.close()


def test_the_vip_is_found(bench, block):
    """ARP has no IP source; a solicitation to the VIP itself, as of a neighbour that is checked (RFC 4861 section 7.3), has."""
    block("::/0")
    bench.client.send(ETHER / IPv6(src=V6.client, dst=V6.vip, hlim=255) / ICMPv6ND_NS(tgt=V6.vip) /
                      ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC))
    bench.client.take(lambda frame: ICMPv6ND_NA in frame and frame.dst == CLIENT_MAC)  # others are announcements


def test_the_kernels_own_addresses_are_the_firewalls_business(bench, block):
    block("0.0.0.0/0", "::/0")
    number = next_id() & 0xffff
    bench.client.send(ETHER / V4.ip(V4.client, FRONT4) / ICMP(id=5, seq=number),
                      ETHER / V6.ip(V6.client, FRONT6) / ICMPv6EchoRequest(id=5, seq=number))
    bench.client.take(lambda frame: ICMP in frame and frame[ICMP].type == 0 and frame[ICMP].seq == number)
    bench.client.take(lambda frame: ICMPv6EchoReply in frame and frame[ICMPv6EchoReply].seq == number)


def test_100000_prefixes_from_a_file(bench, config):
    """More than the command ring holds. They come, change places with as many others and go beside a living connection;
    what is on both lists never gets through."""
    file = bench.balancer.config.with_name("blocked.txt")
    table = f'{config}\n[blocklist]\nfile = "{file}"\n'
    late = bench.tcp(stranger_of(bench, V4), 80)
    flows = [bench.tcp(family, 80).open() for family in FAMILIES]
    for first in (16, 32):
        file.write_text("# a list from elsewhere\n" +
                        "".join(f"{first + i // 65536}.{i // 256 % 256}.{i % 256}.0/24 # of many\n" for i in range(99_999)) +
                        f"\n  {STRANGERS['v4']}\n")
        bench.balancer.reload(table)
        assert status(bench)["prefixes"] == 100_000
        dropped(bench, late.client_frame(late.syn()))
    bench.balancer.reload(config)
    assert status(bench)["prefixes"] == 0
    late.open().close()
    for flow in flows:
        flow.client_sends(b"request")
        flow.close()


def test_a_bad_prefix_changes_nothing(bench, block, config):
    block(STRANGERS["v4"])
    bench.balancer.write_config(f'{config}\n[blocklist]\nprefixes = ["203.0.113.3/33"]\n')
    done = bench.balancer.run_millctl("reload")
    assert done.returncode != 0 and "blocklist.prefixes[0]" in done.stdout + done.stderr
    late = bench.tcp(stranger_of(bench, V4), 80)
    dropped(bench, late.client_frame(late.syn()))


def test_millctl_shows_it(bench, blocked):
    late = bench.tcp(stranger_of(bench, V4), 80)
    dropped(bench, late.client_frame(late.syn()))
    now = status(bench)
    assert now["prefixes"] == 2 and now["packets"] == bench.balancer.drops()["blocked"]
    assert f"blocklist      2 prefixes, {now['packets']} packets dropped" in bench.balancer.run_millctl("status").stdout
    drops = bench.balancer.run_millctl("drops").stdout.splitlines()
    assert next(line for line in drops if line.startswith("blocked ")).split()[1] == str(now["packets"])
