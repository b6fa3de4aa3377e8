#!/usr/bin/python3
"""HTTP requests at a fixed rate, a connection each, and an account of what failed.

Usage: paced.py URL PER_SECOND SECONDS       prints one JSON object when the time is over
"""
import concurrent.futures
import json
import sys
import time
import urllib.parse

from load import one_request

THREADS = 64
TIMEOUT_SECONDS = 20  # as patient as people are: several retransmissions of TCP's


def main():
    url, rate, seconds = urllib.parse.urlsplit(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    account = {"answered": 0, "failures": []}
    started = time.monotonic()

    def ask(number):
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        try:
            one_request(url.hostname, url.port or 80, TIMEOUT_SECONDS)
            return None
        except Exception as error:  # whatever it is, it is reported
            return [round(time.monotonic() - started, 3), f"{type(error).__name__}: {error}"]

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for failure in pool.map(ask, range(int(rate * seconds))):
            if failure:
                account["failures"].append(failure)
            else:
                account["answered"] += 1
    print(json.dumps(account))


if __name__ == "__main__":
    main()
