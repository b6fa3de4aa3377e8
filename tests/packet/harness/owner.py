"""Which worker owns a client's connection, but of mode nat, as docs/multi-core.md tells it: the Toeplitz hash of the Microsoft
RSS specification by the dataplane's key, whose lowest seven bits choose a place in a table that names all workers in turn.
So a case knows beforehand who will have what."""
import socket
import struct
from collections import deque

from harness.flow import V4, client_ports

KEY = int("e4e1b458011bcf6e0aaf1f16532ec5ba4f5baf338c00785fd7b898837c999726d522dd0de2d8e1d6", 16)
KEY_BITS, HASH_BITS = 320, 32
TABLE_PLACES = 128


def toeplitz(data):
    hashed = 0
    for position in range(8 * len(data)):
        if data[position // 8] >> (7 - position % 8) & 1:
            hashed ^= KEY >> (KEY_BITS - HASH_BITS - position)
    return hashed & (1 << HASH_BITS) - 1


def owner(family, client_port, port, workers):
    ip = socket.AF_INET if family.layer is V4.layer else socket.AF_INET6
    ends = socket.inet_pton(ip, family.client) + socket.inet_pton(ip, family.vip)
    return toeplitz(ends + struct.pack("!HH", client_port, port)) % TABLE_PLACES % workers


def ports_in_turn(family, port, workers):
    """Client ports without end: what connects by the first is worker 0's, by the next worker 1's, and round again."""
    drawn = [deque() for _ in range(workers)]
    while True:
        for ports in drawn:
            while not ports:
                client_port = next(client_ports)
                drawn[owner(family, client_port, port, workers)].append(client_port)
            yield ports.popleft()


def ports_of_one(family, port, workers):
    """Client ports without end whose connections are all worker 0's."""
    while True:
        client_port = next(client_ports)
        if owner(family, client_port, port, workers) == 0:
            yield client_port
