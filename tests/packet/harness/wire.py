"""The far end of one wire: sends frames, keeps what arrives until a test takes it, answers ARP and ND for its hosts.
A lane is one VLAN of it: the same, for frames that have its tag on the wire and none in the hands of the test."""
import socket
import struct
import threading
import time

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from harness.network import WIRE, in_namespace

ETH_P_ALL = 3
PACKET_IGNORE_OUTGOING = 23
SOL_PACKET = 263
ARP_TYPE, IPV6_TYPE = b"\x08\x06", b"\x86\xdd"
NEIGHBOUR_SOLICITATION = 135
MACS = 12
VLAN_TYPE, VLAN_ID_MASK = b"\x81\0", 0xfff
PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 8, 1 << 4
SO_TIMESTAMPNS, TIMESPEC = 35, struct.Struct("qq")
AUXDATA = struct.Struct("IIIHHHH")  # tpacket_auxdata: status and the tag, which the kernel takes out of what it gives us


def tagged(data, control):
    return data[:MACS] + VLAN_TYPE + struct.pack("!H", control) + data[MACS:]


def receive_whole(raw):
    """The next frame as it was on the wire, its tag in it; and when it came, by the monotonic clock, however late we are."""
    data, ancillary, _, _ = raw.recvmsg(65535, 128)
    came_at = time.monotonic()
    for level, kind, value in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, control, _ = AUXDATA.unpack(value)
            if status & TP_STATUS_VLAN_VALID:
                data = tagged(data, control)
        elif (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = TIMESPEC.unpack(value)
            came_at -= max(0, time.time() - seconds - nanoseconds / 1e9)
    return data, came_at


def open_raw(device=WIRE):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    raw.bind((device, ETH_P_ALL))
    raw.settimeout(0.2)
    return raw


class Lane:
    """Frames of one VLAN, or those without a tag."""

    def __init__(self):
        self.hosts = {}       # address -> MAC: who lives here and answers
        self.asked = []       # addresses that ARP or ND asked for, in order, answered or not
        self.frames = []      # arrived and not yet taken, oldest first
        self.changed = threading.Condition()

    def send(self, *frames):
        """Scapy packets or bytes, exactly as given; scapy fills in what the test left out."""
        for frame in frames:
            self._put(bytes(frame))
            self._count_sent()

    def take(self, wanted, seconds=5.0, while_doing=lambda: None):
        """The oldest frame for which wanted(packet) is true; fails the test when none comes in time. while_doing() is
        called at first and again after each 0.2 s in vain."""
        deadline = time.monotonic() + seconds
        seen = turns = 0
        while True:
            while_doing()
            turns += 1
            with self.changed:
                end_of_turn = time.monotonic() + 0.2
                while True:
                    for position in range(seen, len(self.frames)):
                        if wanted(self.frames[position]):
                            return self.frames.pop(position)
                    seen = len(self.frames)
                    now = time.monotonic()
                    if now >= deadline and turns > 5:  # a machine that stood still takes some more
                        here = "\n  ".join(frame.summary() for frame in self.frames[-20:])
                        raise AssertionError(f"no such frame within {seconds} s; not taken here:\n  {here}")
                    if now >= end_of_turn:
                        break
                    self.changed.wait(end_of_turn - now)

    def put_back(self, frame):
        """A frame that was only looked at."""
        with self.changed:
            self.frames.insert(0, frame)

    def take_all(self, wanted):
        with self.changed:
            taken = [frame for frame in self.frames if wanted(frame)]
            self.frames = [frame for frame in self.frames if not wanted(frame)]
        return taken

    def clear(self):
        with self.changed:
            self.frames.clear()
            self.asked.clear()

    def wait_asked(self, address, seconds=5.0):
        """Returns as soon as ARP or ND has asked for the address."""
        with self.changed:
            assert self.changed.wait_for(lambda: address in self.asked, seconds), f"nobody asked for {address}"

    def keep(self, data, came_at):
        frame = Ether(data)
        frame.time = came_at
        with self.changed:
            self._answer(frame, data)
            self.frames.append(frame)
            self.changed.notify_all()

    def _answer(self, frame, data):
        if data[12:14] == ARP_TYPE and ARP in frame and frame[ARP].op == 1:
            self._answer_arp(frame)
        elif data[12:14] == IPV6_TYPE and data[20] == 58 and len(data) > 77 and data[54] == NEIGHBOUR_SOLICITATION:
            self._answer_solicitation(frame, socket.inet_ntop(socket.AF_INET6, data[62:78]))

    def _answer_arp(self, frame):
        asks = frame[ARP]
        if asks.psrc == asks.pdst:
            return  # an announcement
        self.asked.append(asks.pdst)
        mac = self.hosts.get(asks.pdst)
        if mac:
            self._put(bytes(Ether(src=mac, dst=frame.src) /
                            ARP(op=2, hwsrc=mac, psrc=asks.pdst, hwdst=asks.hwsrc, pdst=asks.psrc)))

    def _answer_solicitation(self, frame, target):
        self.asked.append(target)
        mac = self.hosts.get(target)
        if mac and frame[IPv6].src != "::":
            self._put(bytes(Ether(src=mac, dst=frame.src) / IPv6(src=target, dst=frame[IPv6].src, hlim=255) /
                            ICMPv6ND_NA(R=0, S=1, O=1, tgt=target) / ICMPv6NDOptDstLLAddr(lladdr=mac)))


class Wire(Lane):
    def __init__(self, namespace, device=WIRE):
        super().__init__()
        self.raw = in_namespace(namespace, lambda: open_raw(device))
        self.sent = 0         # frames; without the answers to ARP and ND, which XDP leaves to the kernel
        self.lanes = {}       # VLAN -> Lane; frames of others are this one's own, with their tags
        self.closing = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def close(self):
        self.closing = True
        self.thread.join()
        self.raw.close()

    def lane(self, vlan):
        if vlan not in self.lanes:
            self.lanes[vlan] = TaggedLane(self, vlan)
        return self.lanes[vlan]

    def _put(self, data):
        self.raw.send(data)

    def _count_sent(self):
        self.sent += 1

    def _read(self):
        while not self.closing:
            try:
                data, came_at = receive_whole(self.raw)
            except TimeoutError:
                continue
            except OSError:
                return  # the namespace is gone
            # With a priority in its tag a frame of ours would be none of the lane's.
            control = struct.unpack("!H", data[MACS + 2:MACS + 4])[0] if data[MACS:MACS + 2] == VLAN_TYPE else None
            lane = self.lanes.get(control)
            if lane:
                lane.keep(data[:MACS] + data[MACS + 4:], came_at)
            else:
                self.keep(data, came_at)


class TaggedLane(Lane):
    def __init__(self, wire, vlan):
        super().__init__()
        self.wire, self.vlan = wire, vlan

    @property
    def sent(self):
        return self.wire.sent

    def _put(self, data):
        self.wire.raw.send(tagged(data, self.vlan))

    def _count_sent(self):
        self.wire._count_sent()
