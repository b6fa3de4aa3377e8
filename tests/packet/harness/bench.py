"""What a case gets: the balancer between two wires, the machines on them, and the books that must balance."""
import copy
import time

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from harness.flow import CLIENT_MAC, FAMILIES, Flow, TcpFlow, host_mac
from harness.network import BACK_MAC, FRONT_MAC
from harness.patience import comes_true


class Bench:
    def __init__(self, balancer, client, backend):
        self.balancer, self.client, self.backend = balancer, client, backend
        self.back_mac = BACK_MAC
        self.snat_addresses = [address for family in FAMILIES for address in family.snat]
        for family in FAMILIES:
            client.hosts[family.client] = CLIENT_MAC
            for address in family.backends:
                backend.hosts[address] = host_mac(address)
        self.first_frames = {}  # what the balancer sent by itself while it started: wire -> frames
        self.drops_before, self.drops_announced = {}, {}
        self.others_rx = 0  # frames that the balancer received and no wire of ours sent, when the case began
        self.last_sender = None
        self.at_end = []  # called when the bench goes, before its namespaces do

    def start(self):
        self.balancer.start()
        time.sleep(0.5)  # announcements follow the first configuration
        self.first_frames = {wire: wire.take_all(lambda frame: True) for wire in (self.client, self.backend)}

    def begin_case(self):
        self.balancer.check_alive()
        self.client.clear()
        self.backend.clear()
        self.balancer.settled_workers()
        self.others_rx = self.balancer.received() - self.sent()
        self.drops_before = self.balancer.drops()
        self.drops_announced = {}

    def sent(self):
        return self.client.sent + self.backend.sent

    def take_turn(self, wire):
        """The wire sends next. Frames of two wires race each other, so what the other one sent has been received when
        this returns; if that takes over a second, the case will say what is missing."""
        if wire is self.last_sender:
            return
        self.last_sender = wire
        sent = self.sent()
        comes_true(lambda: self.balancer.received() - self.others_rx >= sent, seconds=1, every=0.001)

    def expect_drops(self, reason, count=1):
        """This case makes the balancer drop so many packets for this reason; any other drop fails it."""
        self.drops_announced[reason] = self.drops_announced.get(reason, 0) + count

    def wait_drops(self):
        """Returns once every announced drop is counted; end_case says what is missing if that takes too long."""
        comes_true(lambda: self.drops() == self.drops_announced, seconds=5, every=0.02)

    def drops(self):
        """Of this case, by reason."""
        now = self.balancer.drops()
        return {reason: count - self.drops_before.get(reason, 0) for reason, count in now.items()
                if count != self.drops_before.get(reason, 0)}

    def end_case(self):
        self.wait_drops()
        self.balancer.check_alive()
        self.balancer.settled_workers()
        seen = self.drops()
        assert seen == self.drops_announced, f"dropped {seen}, announced {self.drops_announced}"

    def tcp(self, family, port, **options):
        return TcpFlow(self, family, port, **options)

    def udp(self, family, port, **options):
        return Flow(self, family, port, **options)

    def check_traffic(self):
        """Real connections beside whatever the case does: both families, opened, used and closed."""
        for family in FAMILIES:
            flow = self.tcp(family, 80).open()
            flow.client_sends(b"GET / HTTP/1.0\r\n\r\n")
            flow.backend_sends(b"HTTP/1.0 200 OK\r\n\r\n")
            flow.close()

    def announce(self, address, mac):
        """A machine behind the back wire says that the address is its own now."""
        self.backend.hosts[address] = mac
        if ":" in address:
            self.backend.send(Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=address, dst="ff02::1", hlim=255) /
                              ICMPv6ND_NA(R=0, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=mac))
        else:
            self.backend.send(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") /
                              ARP(op=2, hwsrc=mac, psrc=address, hwdst=mac, pdst=address))

    def with_backends_in_front(self, families):
        """The same bench for a balancer with one port: backends stand on the client's wire."""
        one = copy.copy(self)
        one.backend, one.back_mac = self.client, FRONT_MAC
        one.snat_addresses = [address for family in families for address in family.snat]
        for family in families:
            for address in family.backends:
                self.client.hosts[address] = host_mac(address)
        return one

    def connections(self, flow):
        """What the balancer keeps about the flow's client port."""
        client = f"[{flow.family.client}]" if ":" in flow.family.client else flow.family.client
        return self.balancer.get(f"/v1/connections?client={client}:{flow.client_port}")["connections"]

    def wait_for(self, happened, seconds=10):
        assert comes_true(happened, seconds), f"did not happen within {seconds} s"

    def nothing_for_client(self, unwanted, seconds=0.3):
        time.sleep(seconds)
        seen = self.client.take_all(unwanted)
        assert not seen, f"the client got {seen[0].summary()}"
