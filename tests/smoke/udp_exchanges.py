#!/usr/bin/python3
"""UDP question and answer, many times: every datagram must come back once, from the address that was asked.

Usage: udp_exchanges.py ADDRESS PORT COUNT SOCKETS [BYTES]
Prints {"answers": {backend: count}, "lost": n, "wrong": n}. BYTES: of a datagram, instead of a few.
"""
import json
import select
import socket
import sys

TIMEOUT_SECONDS = 2.0


def main():
    address, port, count, socket_count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    padding = b"." * int(sys.argv[5]) if len(sys.argv) > 5 else b""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    result = {"answers": {}, "lost": 0, "wrong": 0}
    asked = 0
    while asked < count:
        # New sockets each round: many short flows, as with DNS.
        sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(min(socket_count, count - asked))]
        waiting = {}
        for sock in sockets:
            question = f"question {asked}".encode() + padding
            sock.connect((address, port))
            sock.send(question)
            waiting[sock] = question
            asked += 1
        while waiting:
            readable, _, _ = select.select(list(waiting), [], [], TIMEOUT_SECONDS)
            if not readable:
                result["lost"] += len(waiting)
                break
            for sock in readable:
                backend, _, echo = sock.recv(65535).partition(b" ")
                if echo != waiting.pop(sock):
                    result["wrong"] += 1
                name = backend.decode()
                result["answers"][name] = result["answers"].get(name, 0) + 1
        for sock in sockets:
            sock.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
