#!/usr/bin/python3
"""Asks over HTTP, waits for a line on its standard input, and asks again over the same connection.

Usage: asks_twice.py ADDRESS PORT       prints each answer, a line
"""
import http.client
import sys


def main():
    connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=10)
    for _ in range(2):
        connection.request("GET", "/")
        print(connection.getresponse().read().decode().strip(), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
