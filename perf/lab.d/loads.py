"""The loads of perf/lab. Each runs in the client for the given seconds and returns {measure: value} and what failed.

Measures: requests (a second, keep-alive), connections (a second, one request each), download and upload (Gbit/s),
p50_us, p99_us, p999_us (at a fixed rate), and CPU microseconds of the whole lab per request and per connection.
"""
import contextlib
import fcntl
import json
import os
import subprocess
from pathlib import Path

from cpu_time import CpuTime
from lab_network import LabError

HERE = Path(__file__).resolve().parent
WRK_THREADS = 3  # without a balancer each has a backend of its own
REQUEST_CONNECTIONS = 48
CONNECT_CONNECTIONS = 48
PACED_CONNECTIONS = 16
IPERF_STREAMS = 4
SLACK_SECONDS = 30  # what a load may take longer than it should before it is given up


@contextlib.contextmanager
def turn(lock_file):
    """Benchmarks of one machine that name the same file take turns, load by load."""
    if lock_file is None:
        yield
        return
    with open(lock_file, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Loads:
    def __init__(self, network, build, seconds, rate, lock_file):
        self.network, self.build, self.seconds, self.rate = network, build, seconds, rate
        self.lock_file = lock_file

    def client(self, *words, seconds, env=None):
        """Output of a program that runs in the client, and the CPU seconds that the lab took meanwhile."""
        try:
            with turn(self.lock_file), CpuTime(self.network) as cpu:
                done = subprocess.run(self.network.command("client", *words), text=True, capture_output=True,
                                      stdin=subprocess.DEVNULL, timeout=seconds + SLACK_SECONDS, env=env)
        except subprocess.TimeoutExpired:
            raise LabError(f"{words[0]} did not end within {seconds + SLACK_SECONDS} s") from None
        if done.returncode != 0:
            raise LabError(f"{words[0]}: exit {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}")
        return done.stdout, cpu.seconds

    def wrk(self, system, family, connections, headers, seconds):
        targets = system.targets(family)
        url = f"http://[{targets[0]}]/" if family == "ipv6" else f"http://{targets[0]}/"
        said, cpu_seconds = self.client(
            "wrk", "-t", WRK_THREADS, "-c", connections, "-d", f"{seconds}s", "--timeout", "2s", *headers, "-s",
            HERE / "wrk.lua", url, seconds=seconds,
            env=os.environ | {"TARGETS": " ".join(targets), "TARGET_PORT": "80"})
        lines = [line for line in said.splitlines() if line.startswith("JSON ")]
        if not lines:
            raise LabError(f"wrk: no result\n{said[-500:]}")
        result = json.loads(lines[0][5:])
        if result["requests"] == 0:
            raise LabError(f"{system.name}: no request of wrk was answered ({result['failed']} failed)")
        return result["requests"], result["requests"] / result["seconds"], cpu_seconds, result["failed"]

    def warm_up(self, system):
        self.wrk(system, "ipv4", REQUEST_CONNECTIONS, (), 1)

    def requests(self, system, family):
        count, rate, cpu_seconds, failed = self.wrk(system, family, REQUEST_CONNECTIONS, (), self.seconds)
        return {"requests": rate, "cpu_us_per_request": cpu_seconds * 1e6 / count}, failed

    def connections(self, system, family):
        count, rate, cpu_seconds, failed = self.wrk(system, family, CONNECT_CONNECTIONS,
                                                    ("-H", "Connection: close"), self.seconds)
        return {"connections": rate, "cpu_us_per_connection": cpu_seconds * 1e6 / count}, failed

    def iperf(self, system, *options):
        said, _ = self.client("iperf3", "--json", "-c", system.iperf_target(), "-P", IPERF_STREAMS, "-t", self.seconds,
                              *options, seconds=self.seconds)
        return json.loads(said)["end"]["sum_received"]["bits_per_second"] / 1e9

    def upload(self, system, _family):
        return {"upload": self.iperf(system)}, 0

    def download(self, system, _family):
        return {"download": self.iperf(system, "--reverse")}, 0

    def latency(self, system, family):
        targets = [f"[{target}]:80" if family == "ipv6" else f"{target}:80" for target in system.targets(family)]
        said, cpu_seconds = self.client(self.build / "perf/lab.d/paced_client", "--target", *targets, "--connections",
                                        PACED_CONNECTIONS, "--rate", self.rate, "--seconds", self.seconds,
                                        seconds=self.seconds)
        result = json.loads(said)
        if result["requests"] == 0:
            raise LabError(f"{system.name}: no request at the fixed rate was answered")
        return {"p50_us": result["p50_us"], "p99_us": result["p99_us"], "p999_us": result["p999_us"],
                "cpu_us_per_paced_request": cpu_seconds * 1e6 / result["requests"]}, result["failed"]


# In this order in each round.
PLAN = [("requests", "ipv4"), ("requests", "ipv6"), ("connections", "ipv4"), ("download", "ipv4"), ("upload", "ipv4"),
        ("latency", "ipv4")]
