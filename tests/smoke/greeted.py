#!/usr/bin/python3
"""Client of a server that speaks first: waits for the greeting, says hello, then quit. Prints what the server said.

Usage: greeted.py HOST PORT
"""
import socket
import sys

TIMEOUT_SECONDS = 5


def main():
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), TIMEOUT_SECONDS) as connection:
        lines = connection.makefile("r", newline="\r\n")
        print(lines.readline().strip())
        for word in ("hello", "quit"):
            connection.sendall(word.encode() + b"\r\n")
            print(lines.readline().strip())


if __name__ == "__main__":
    main()
