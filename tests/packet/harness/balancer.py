"""The real millrace-dataplane and millraced in the lb namespace, started with one configuration."""
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from harness.network import LB
from harness.patience import attempts

TOP = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("MILLRACE_BUILD", TOP / "build/sanitize")).resolve()
PROGRAMS = {"millrace-dataplane": BUILD / "dataplane/millrace-dataplane",
            "millraced": BUILD / "controlplane/millraced"}
MILLCTL = BUILD / "controlplane/millctl"
RUN_DIR = Path("/dev/shm/millrace-packet-test")
SANITIZERS = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:abort_on_error=1",
              "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
              "LSAN_OPTIONS": f"print_suppressions=0:suppressions={TOP / 'tests/lsan.supp'}"}
READY_SECONDS = 30
REPORTS = ("AddressSanitizer", "LeakSanitizer", "runtime error:")

# rx + handed_in + originated = tx + handed_out + diverted + absorbed + dropped + held, see include/millrace/counters.h
CAME = ("rx_packets", "handed_in", "originated")
WENT = ("tx_packets", "handed_out", "diverted", "absorbed", "held")


class Balancer:
    def __init__(self, config_text):
        self.config = RUN_DIR / "millrace.toml"
        self.socket = RUN_DIR / "millrace.sock"
        self.processes = {}
        shutil.rmtree(RUN_DIR, ignore_errors=True)
        RUN_DIR.mkdir(mode=0o755)
        self.write_config(config_text)

    def write_config(self, text):
        self.config.write_text(text.replace("@DIR@", str(RUN_DIR)))

    # Processes ------------------------------------------------------------------------------------------------------

    def start(self):
        for name in PROGRAMS:
            self.start_one(name)
        self.wait_ready()

    def start_one(self, name):
        with open(RUN_DIR / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                ["ip", "netns", "exec", LB, str(PROGRAMS[name]), "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=os.environ | SANITIZERS)

    def wait_ready(self):
        """Both run, and the dataplane has applied the configuration that millraced sent."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            status = self.get("/v1/status")
            if status and self.serves(status):
                return
            time.sleep(0.1)
        raise AssertionError(f"not ready within {READY_SECONDS} s\n{self.logs()}")

    def serves(self, status):
        """The very process that runs now, not the one before it, has the configuration."""
        dataplane = status["dataplane"]
        return (dataplane["connected"] and dataplane.get("pid") == self.processes["millrace-dataplane"].pid
                and status["config"]["state"] == "applied")

    def kill(self, name):
        """kill -9, as a crash would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def kill_all(self):
        for name in list(self.processes):
            self.kill(name)
        shutil.rmtree(RUN_DIR, ignore_errors=True)

    def stop(self):
        """Ends both in an orderly way; a sanitizer's report or an exit code other than 0 fails."""
        codes = {}
        for name in reversed(list(self.processes)):
            process = self.processes.pop(name)
            process.terminate()
            try:
                codes[name] = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = "killed: did not end within 20 s"
        logs = self.logs()
        reported = any(report in logs for report in REPORTS)
        assert all(code == 0 for code in codes.values()) and not reported, f"unclean end {codes}\n{logs}"

    def alive(self):
        return len(self.processes) == len(PROGRAMS) and all(p.poll() is None for p in self.processes.values())

    def check_alive(self):
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}\n{self.logs()}"

    def logs(self):
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-6000:]}"
                         for path in sorted(RUN_DIR.glob("*.log")))

    # What it says of itself -----------------------------------------------------------------------------------------

    def get(self, path):
        """GET of the API, without the start of a program each time; None while nobody answers."""
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.socket))
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()

    def millctl(self, *words):
        """An operator's command, which must succeed."""
        done = self.run_millctl(*words)
        assert done.returncode == 0, f"millctl {' '.join(words)}: {done.stdout}{done.stderr}\n{self.logs()}"

    def run_millctl(self, *words):
        return subprocess.run([str(MILLCTL), "--socket", str(self.socket), *words], capture_output=True, text=True,
                              env=os.environ | SANITIZERS)

    def reload(self, text):
        self.write_config(text)
        self.millctl("reload")

    def counters(self):
        counters = self.get("/v1/counters")
        assert counters and counters["connected"], f"no counters: {counters}\n{self.logs()}"
        return counters

    def workers(self):
        """One dict of counters a worker, its drops under 'dropped' by reason."""
        return self.counters()["workers"]

    def received(self):
        """Frames that workers took in, and those that an XDP program dropped before."""
        counters = self.counters()
        return sum(worker["rx_packets"] for worker in counters["workers"]) + counters["blocked_in_xdp"]

    def total(self, counter):
        return sum(worker[counter] for worker in self.workers())

    def drops(self):
        """Reasons with a count above zero, of all workers and XDP programs together."""
        return {drop["reason"]: drop["packets"] for drop in self.counters()["drops"] if drop["packets"]}

    def settled_workers(self, seconds=5.0):
        """Counters once nothing is on its way any more: two readings alike, and the equation holds for each worker."""
        before = None
        for _ in attempts(seconds, every=0.02):
            workers = self.workers()
            now = [{name: worker[name] for name in CAME + WENT} | {"dropped": sum(worker["dropped"].values())}
                   for worker in workers]
            balanced = all(sum(w[n] for n in CAME) == sum(w[n] for n in WENT) + w["dropped"] for w in now)
            if balanced and now == before:
                return workers
            before = now
        raise AssertionError(f"counters do not add up: {before}")

