"""What is measured over memif: Millrace's two daemons, and testpmd as the least that a forwarder can do.

Each is started anew for every turn: no two poll at the same time, and none keeps the luck of its memory layout.
"""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build/release"
CONFIG = TOP / "perf/traffic/memif.toml"
READY_SECONDS = 60


class MemifError(Exception):
    """One sentence for the operator."""


class FarEnd:
    name = ""
    peer = "balancer"

    def __init__(self, run_dir, worker_cpu, main_cpu):
        self.run_dir, self.worker_cpu, self.main_cpu = run_dir, worker_cpu, main_cpu
        self.memif = run_dir / f"{self.name}.memif"
        self.processes = []

    def spawn(self, *words):
        name = Path(str(words[0])).name
        with open(self.run_dir / f"{name}.log", "wb") as log:
            # Their own session: a Ctrl-C is for the runner, which ends them.
            self.processes.append(subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=log,
                                                   stderr=log, start_new_session=True))

    def wait(self, ready):
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            for process in self.processes:
                if process.poll() is not None:
                    raise MemifError(f"{Path(process.args[0]).name} ended with {process.returncode}{self.last_words()}")
            if time.monotonic() > deadline:
                raise MemifError(f"{self.name} is not ready within {READY_SECONDS} s{self.last_words()}")
            time.sleep(0.05)

    def last_words(self):
        return "".join(f"\n--- {log.name}\n{log.read_text(errors='replace')[-1500:]}"
                       for log in sorted(self.run_dir.glob("*.log")))

    def worker_threads(self):
        """Those that poll: DPDK names them so."""
        found = []
        for process in self.processes:
            for task in Path(f"/proc/{process.pid}/task").iterdir():
                if (task / "comm").read_text().startswith("rte-worker"):
                    found.append(int(task.name))
        return found

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdin.close()
        self.processes = []
        self.memif.unlink(missing_ok=True)


class Millrace(FarEnd):
    name = "millrace"

    def start(self, flows):
        self.socket = self.run_dir / "api.sock"
        config = self.run_dir / "millrace.toml"
        self.write_config(config, flows)
        self.spawn(BUILD / "dataplane/millrace-dataplane", "--config", config)
        self.spawn(BUILD / "controlplane/millraced", "--config", config)
        self.wait(self.serves)

    def write_config(self, path, flows):
        """perf/traffic/memif.toml with our paths, CPU, and a slab for so many flows."""
        text = CONFIG.read_text()
        for key, value in {"workers": f'"{self.worker_cpu}"', "connections": max(65536, flows + flows // 16),
                           "segment": f'"{self.run_dir}/segment"', "device": f'"memif:{self.memif}"',
                           "socket": f'"{self.socket}"'}.items():
            text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
            if count != 1:
                raise MemifError(f"{CONFIG} has no single line '{key} = ...'")
        path.write_text(text)

    def serves(self):
        said = subprocess.run([BUILD / "controlplane/millctl", "--socket", self.socket, "--json", "status"], text=True,
                              capture_output=True)
        if said.returncode != 0:
            return False
        status = json.loads(said.stdout)
        return status["dataplane"]["connected"] and status["config"]["state"] == "applied"


class Testpmd(FarEnd):
    """Sends every frame back with MACs, addresses and ports swapped."""
    name = "testpmd"
    peer = "reflector"

    def start(self, _flows):
        self.spawn("dpdk-testpmd", "--in-memory", "--no-pci", "--no-telemetry", f"--file-prefix=memif{os.getpid()}",
                   f"--lcores=0@{self.main_cpu},1@{self.worker_cpu}",
                   f"--vdev=net_memif0,role=server,id=0,socket={self.memif},socket-abstract=no,rsize=11", "--",
                   "--forward-mode=5tswap", "--nb-cores=1", "--auto-start", "--disable-link-check",
                   "--total-num-mbufs=16384")
        # It forwards from here on; its own words stay in a buffer until it ends.
        self.wait(lambda: self.memif.exists() and self.worker_threads())
        time.sleep(1)


ALL = {far_end.name: far_end for far_end in (Testpmd, Millrace)}
