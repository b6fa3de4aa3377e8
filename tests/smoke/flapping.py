#!/usr/bin/python3
"""A real etcd with a key for each backend, one of which comes and goes. To be run where millraced is.

Usage: flapping.py FOLDER PORT PREFIX SECONDS BACKEND...
Says "ready" when the keys are there; takes the last backend away and puts it back every 100 ms from the next line of its
input on, and says how often; ends with the line after that.
"""
import base64
import json
import subprocess
import sys
import time
import urllib.request

EVERY_SECONDS = 0.1


def main():
    folder, port, prefix, seconds, *backends = sys.argv[1:]
    url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{int(port) + 1}"

    def ask(path, **body):
        with urllib.request.urlopen(f"{url}/v3{path}", json.dumps(body).encode(), timeout=10) as answer:
            return json.load(answer)

    def encoded(text):
        return base64.b64encode(text.encode()).decode()

    def put(backend):
        ask("/kv/put", key=encoded(prefix + backend), value="")

    with open(f"{folder}/etcd.log", "wb") as log:
        server = subprocess.Popen(["etcd", "--data-dir", f"{folder}/etcd", "--listen-client-urls", url,
                                   "--advertise-client-urls", url, "--listen-peer-urls", peer,
                                   "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
                                   "--unsafe-no-fsync"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                for backend in backends:
                    put(backend)
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None, "etcd does not answer"
                time.sleep(0.1)
        print("ready", flush=True)
        sys.stdin.readline()
        started, flips = time.monotonic(), 0
        while time.monotonic() - started < float(seconds):
            if flips % 2 == 0:
                ask("/kv/deleterange", key=encoded(prefix + backends[-1]))
            else:
                put(backends[-1])
            flips += 1
            time.sleep(max(0.0, started + flips * EVERY_SECONDS - time.monotonic()))
        print(flips, flush=True)
        sys.stdin.readline()
    except KeyboardInterrupt:
        pass  # its test has failed
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
