#!/usr/bin/python3
"""HTTP load on a connection per request, and an exact account of what failed and when.

Usage: load.py URL SECONDS THREADS       prints one JSON object when the time is over
Each failure is [seconds since the start, what]; the clock is CLOCK_MONOTONIC, whose start is in "started".
"""
import http.client
import json
import sys
import threading
import time
import urllib.parse

TIMEOUT_SECONDS = 3


def one_request(host, port, timeout=TIMEOUT_SECONDS):
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode().strip()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        return body
    finally:
        connection.close()


def worker(host, port, until, started, account, lock):
    while time.monotonic() < until:
        began = time.monotonic() - started
        try:
            body, failure = one_request(host, port), None
        except (OSError, http.client.HTTPException) as error:
            body, failure = None, [round(began, 3), f"{type(error).__name__}: {error}"]
        with lock:
            if failure:
                account["failures"].append(failure)
            else:
                account["answers"][body] = account["answers"].get(body, 0) + 1


def main():
    url, seconds, thread_count = urllib.parse.urlsplit(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    started = time.monotonic()
    account = {"started": started, "answers": {}, "failures": []}
    lock = threading.Lock()
    threads = [threading.Thread(target=worker,
                                args=(url.hostname, url.port or 80, started + seconds, started, account, lock))
               for _ in range(thread_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(account))


if __name__ == "__main__":
    main()
