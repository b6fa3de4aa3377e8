#!/usr/bin/python3
"""UDP questions from one socket, each asked when the one before is answered.

Usage: one_socket.py ADDRESS PORT COUNT      prints the backends that answered, a line each
"""
import socket
import sys

TIMEOUT_SECONDS = 2.0


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT_SECONDS)
        sock.connect((address, port))
        for number in range(count):
            question = f"question {number}".encode()
            sock.send(question)
            backend, _, echo = sock.recv(65535).partition(b" ")
            assert echo == question, (echo, question)
            print(backend.decode())


if __name__ == "__main__":
    main()
