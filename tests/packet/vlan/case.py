"""Ports with an 802.1Q tag (IEEE 802.1Q-2018): clients in VLAN 100 and without a tag on one device, backends in VLAN 200.
The cases of TCP and UDP without tags again, and what tags are about."""
import pytest
from scapy.layers.inet import TCP
from scapy.layers.inet6 import ICMPv6ND_NA
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether

from harness.flow import CLIENT_MAC, V4, V6
from harness.network import BACK_MAC, FRONT_MAC
from harness.vlan import BACK_VLAN, FRONT_VLAN, TAGGED, TAGGED4, TAGGED6, in_vlans, stand_ins, untagged_twin
from link_answers.case import BROADCAST, announces, solicitation
from tcp_life import case as tcp_life
from udp_exchange import case as udp_exchange
from udp_exchange.case import datagram

WORKERS = (1, 2, 4)
both_families = pytest.mark.parametrize("family", TAGGED, ids=lambda family: family.name)


@pytest.fixture(autouse=True)
def kernel_side(bench):
    if not bench.at_end:
        bench.at_end += [stand_in.close for stand_in in stand_ins()]


@pytest.fixture
def tagged(bench):
    return in_vlans(bench)


@both_families
@pytest.mark.parametrize("mode", tcp_life.MODES)
def test_tcp(tagged, family, mode):
    tcp_life.test_life(tagged, family, mode)


@both_families
@pytest.mark.parametrize("mode", udp_exchange.MODES)
def test_udp(tagged, family, mode):
    udp_exchange.test_exchange(tagged, family, mode)


@both_families
def test_client_without_a_tag_on_the_same_device(bench, tagged, family):
    """Each client gets its answer as it asked: both are served at once, by backends in another VLAN."""
    plain = in_vlans(bench)
    plain.client = bench.client
    flows = [tagged.tcp(family, 80).open(), plain.tcp(untagged_twin(family), 80).open()]
    for flow in flows * 2:
        flow.client_sends(b"GET / HTTP/1.0\r\n\r\n")
        flow.backend_sends(b"x" * 1400)


@both_families
def test_largest_packet(tagged, family):
    """The tag is on top of the MTU: 1,500 bytes of IP go through."""
    flow = tagged.tcp(family, 80).open()
    payload = b"l" * (1500 - (20 if family is TAGGED4 else 40) - 20)
    flow.client_sends(payload)
    flow.backend_sends(payload)


@both_families
def test_priority_tag_counts_as_none(bench, tagged, family):
    """A tag with VLAN id 0 carries a priority alone (IEEE 802.1Q-2018 section 6.9.1)."""
    plain = in_vlans(bench)
    plain.client = bench.client
    flow = plain.udp(untagged_twin(family), 53)
    asked = datagram()
    frame = flow.client_frame(asked)
    bench.client.send(Ether(src=frame.src, dst=frame.dst) / Dot1Q(prio=5, vlan=0, type=frame.type) / frame.payload)
    flow.arrives_at_backend(asked)
    flow.reverse(datagram(b"answer"))


@both_families
def test_priority_within_a_vlan(bench, tagged, family):
    """Its bits and the drop eligible bit do not say which VLAN it is."""
    flow = tagged.udp(family, 53)
    asked = datagram()
    frame = flow.client_frame(asked)
    bench.client.send(Ether(src=frame.src, dst=frame.dst) / Dot1Q(prio=7, id=1, vlan=FRONT_VLAN, type=frame.type) /
                      frame.payload)
    flow.arrives_at_backend(asked)


@both_families
def test_other_tags_are_the_kernels(bench, tagged, family):
    """Unknown ids, tags within tags (802.1ad, 802.1Q twice): no port of ours has them, whatever is in them."""
    flow = tagged.tcp(family, 80)
    frame = flow.client_frame(flow.syn())
    ether = Ether(src=frame.src, dst=frame.dst)
    for tags in (Dot1Q(vlan=300), Dot1Q(vlan=BACK_VLAN), Dot1Q(vlan=4095), Dot1AD(vlan=FRONT_VLAN) / Dot1Q(vlan=FRONT_VLAN),
                 Dot1Q(vlan=FRONT_VLAN) / Dot1Q(vlan=FRONT_VLAN)):
        tags.lastlayer().type = frame.type
        bench.client.send(ether / tags / frame.payload)
    bench.client.send(bytes(ether / Dot1Q(vlan=FRONT_VLAN))[:16])
    tagged.tcp(family, 80).open().close()
    assert not tagged.backend.take_all(lambda got: TCP in got and got[TCP].seq == flow.client_seq)


@both_families
def test_backends_port_has_tags_alone(bench, tagged, family):
    """What comes to its device without a tag is the kernel's."""
    flow = tagged.tcp(family, 80).open()
    bench.backend.send(flow.backend_frame(flow.backend_segment("PA", b"by no VLAN")))
    flow.backend_sends(b"by its own")
    assert not tagged.client.take_all(lambda got: b"by no VLAN" in bytes(got))


def test_arp(bench, tagged):
    """Our addresses are told in the VLAN that asks."""
    for lane, wire, mac, address, target, balancer in (
            (tagged.client, bench.client, CLIENT_MAC, TAGGED4.client, V4.vip, FRONT_MAC),
            (tagged.backend, bench.backend, "02:00:00:00:02:77", "10.72.1.77", V4.snat[0], BACK_MAC)):
        lane.send(Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc=address, pdst=target))
        got = lane.take(lambda frame: ARP in frame and frame[ARP].op == 2 and frame[ARP].psrc == target)
        assert (got.src, got.dst, got[ARP].hwsrc, got[ARP].pdst) == (balancer, mac, balancer, address)
        assert not wire.take_all(lambda frame: ARP in frame and frame[ARP].op == 2)


def test_neighbour_discovery(bench, tagged):
    for lane, wire, mac, address, target, balancer in (
            (tagged.client, bench.client, CLIENT_MAC, TAGGED6.client, V6.vip, FRONT_MAC),
            (tagged.backend, bench.backend, "02:00:00:00:02:77", "fd72::77", V6.snat[0], BACK_MAC)):
        lane.send(solicitation(mac, address, target))
        got = lane.take(lambda frame: ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == target)
        assert (got.src, got.dst) == (balancer, mac)
        assert not wire.take_all(lambda frame: ICMPv6ND_NA in frame)


@pytest.mark.parametrize("family", [V4, V6], ids=lambda family: family.name)
def test_announced_in_each_vlan(bench, family):
    def vlans_of(wire, address, mac):
        frames = bench.first_frames[wire]
        return {frame[Dot1Q].vlan if Dot1Q in frame else None for frame in frames if announces(frame, address, mac)}

    assert vlans_of(bench.client, family.vip, FRONT_MAC) == {None, FRONT_VLAN}
    assert vlans_of(bench.backend, family.snat[0], BACK_MAC) == {BACK_VLAN}


def test_each_port_counts_its_own(bench, tagged):
    """Of three ports on two devices, by name and VLAN."""
    before = received(bench)
    flow = tagged.udp(TAGGED4, 53)
    for _ in range(5):
        flow.forward(datagram())
    flow.reverse(datagram())
    more = {port: count - before[port] for port, count in received(bench).items()}
    assert more[("clients", FRONT_VLAN)] == 5 and more[("backends", BACK_VLAN)] == 1, more


def received(bench):
    return {(port["port"], port["vlan"]): port["rx_packets"] for port in bench.balancer.get("/v1/steering")["ports"]}
