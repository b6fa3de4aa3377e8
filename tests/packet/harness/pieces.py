"""Packets in fragments, and whole again. Every field of the header stays as it is, so that what has come through in
pieces is compared like what has come through whole."""
import struct
import time

import pytest
from scapy.layers.l2 import Ether

from harness.flow import V4, next_id

ETHER = 14
FRAGMENT_HEADER = 44
MORE4, PLACE4 = 0x2000, 0x1fff


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def finished4(header, data, place):
    """An IPv4 packet with this in place of its fragment offset and MF."""
    flags = struct.unpack("!H", header[6:8])[0] & ~(MORE4 | PLACE4)
    head = bytearray(header)
    head[2:4] = struct.pack("!H", len(header) + len(data))
    head[6:8] = struct.pack("!H", flags | place)
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack("!H", checksum(bytes(head)))
    return bytes(head) + data


def piece(frame, begin, end, more, ident):
    """Of the frame's bytes behind its IP header those from begin to end, as a fragment; ident is IPv6's."""
    ether, packet = bytes(frame)[:ETHER], bytes(frame)[ETHER:]
    if packet[0] >> 4 == 4:
        head = packet[:(packet[0] & 15) * 4]
        return ether + finished4(head, packet[len(head):][begin:end], begin // 8 | (MORE4 if more else 0))
    fragment = struct.pack("!BBHI", packet[6], 0, begin | more, ident)
    data = packet[40:][begin:end]
    return (ether + packet[:4] + struct.pack("!HB", 8 + len(data), FRAGMENT_HEADER) + packet[7:40] + fragment + data)


def pieces(frame, size=400, ident=None):
    """All of the frame's packet in fragments, each with so many bytes (a multiple of 8) behind its headers."""
    ident = next_id() if ident is None else ident
    packet = bytes(frame)[ETHER:]
    length = len(packet) - ((packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40)
    return [piece(frame, begin, min(begin + size, length), begin + size < length, ident)
            for begin in range(0, length, size)]


def place_of(data):
    """(first byte, one after the last, whether more follow, what the fragment carries), or None for a whole packet."""
    packet = data[ETHER:]
    if data[12:14] == b"\x08\0":
        place = struct.unpack("!H", packet[6:8])[0]
        begin, more = (place & PLACE4) * 8, bool(place & MORE4)
        carried = packet[(packet[0] & 15) * 4:struct.unpack("!H", packet[2:4])[0]]
        is_fragment = more or begin
    else:
        is_fragment = data[12:14] == b"\x86\xdd" and packet[6] == FRAGMENT_HEADER
        place = struct.unpack("!H", packet[42:44])[0] if is_fragment else 0
        begin, more, carried = place & 0xfff8, bool(place & 1), packet[48:]
    return (begin, begin + len(carried), more, carried) if is_fragment else None


def is_piece(frame):
    return place_of(frame.original) is not None


def whole(frames):
    """The frame that these are the fragments of; fails the test when one is missing or comes twice."""
    places = sorted(place_of(frame.original) for frame in frames)
    reached = 0
    for begin, end, more, _ in places:
        assert begin == reached and more == (begin != places[-1][0]), f"pieces {[p[:3] for p in places]}"
        reached = end
    first = next(frame.original for frame in frames if place_of(frame.original)[0] == 0)
    data = b"".join(place[3] for place in places)
    if first[12:14] == b"\x08\0":
        head = first[ETHER:ETHER + (first[ETHER] & 15) * 4]
        return first[:ETHER] + finished4(head, data, 0)
    head = first[ETHER:ETHER + 40]
    return (first[:ETHER] + head[:4] + struct.pack("!HB", len(data), first[ETHER + 40]) + head[7:] + data)


def gather(wire, count):
    """Takes so many fragments from the wire and puts there what they are fragments of. Returns them as they came."""
    frames = [wire.take(is_piece) for _ in range(count)]
    frame = Ether(whole(frames))
    frame.time = time.monotonic()
    wire.put_back(frame)
    return frames


def skip_without_pieces(family, workers):
    """The kernel puts IPv4 fragments together before an af_packet port sees them, which is what several workers have."""
    if workers > 1 and family is V4:
        pytest.skip("no IPv4 fragments come through af_packet")
