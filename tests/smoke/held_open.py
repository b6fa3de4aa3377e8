#!/usr/bin/python3
"""TCP connections held open, one more that finds no room, and the same one when another has ended.

Usage: held_open.py ADDRESS PORT COUNT       prints one JSON object
"refused": the connection after COUNT got no answer in a second. "answered": backends of the COUNT connections, each asked
over HTTP while all were open. "later": backend of the one that came too early.
"""
import http.client
import json
import sys
from collections import Counter

NO_ANSWER_SECONDS = 1
PATIENCE_SECONDS = 10  # several retransmissions of a SYN


def ask(connection):
    connection.request("GET", "/")
    return connection.getresponse().read().decode().strip()


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    held = [http.client.HTTPConnection(address, port, timeout=PATIENCE_SECONDS) for _ in range(count)]
    for connection in held:
        connection.connect()
    early = http.client.HTTPConnection(address, port, timeout=NO_ANSWER_SECONDS)
    try:
        early.connect()
        refused = False
    except TimeoutError:
        refused = True
    early.close()
    answered = Counter(map(ask, held))
    held[0].close()
    late = http.client.HTTPConnection(address, port, timeout=PATIENCE_SECONDS)
    print(json.dumps({"refused": refused, "answered": answered, "later": ask(late)}))


if __name__ == "__main__":
    main()
