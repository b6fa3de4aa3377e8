"""Both daemons behind a memif port, and perf/traffic, which plays clients and backends at its other end."""
import collections
import json
import os
import re
import subprocess

from lab import BUILD, CONTROL, DATAPLANE, REPORTS, SANITIZERS, TOP, wait_for

TRAFFIC = BUILD / "perf/traffic/traffic"
ENVIRONMENT = os.environ | SANITIZERS


class MemifBalancer:
    """perf/traffic/memif.toml, made small, in a folder of its own. `settings`: keys of its own, as TOML values; "@MEMIF@"
    stands for the socket."""

    def __init__(self, folder, **settings):
        self.folder, self.socket, self.memif = folder, folder / "api.sock", folder / "memif.sock"
        text = (TOP / "perf/traffic/memif.toml").read_text()
        usual = {"workers": '"0"', "idle": '"adaptive"', "connections": "16_384", "segment": f'"{folder}/segment"',
                 "socket": f'"{self.socket}"', "device": '"memif:@MEMIF@"'}
        for key, value in (usual | settings).items():
            text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value.replace('@MEMIF@', str(self.memif))}", text)
            assert count == 1, key
        self.config = folder / "millrace.toml"
        self.config.write_text(text)
        self.processes = {}

    def start(self):
        for program in (DATAPLANE, CONTROL):
            with open(self.folder / f"{program.name}.log", "wb") as log:
                self.processes[program.name] = subprocess.Popen(
                    [program, "--config", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=ENVIRONMENT)
        wait_for(self.serves, seconds=60)

    def stop(self):
        """In an orderly way; a sanitizer's report fails."""
        codes = {}
        for name, process in reversed(self.processes.items()):
            process.terminate()
            try:
                codes[name] = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = "killed"
        logs = self.logs()
        assert set(codes.values()) == {0} and not any(report in logs for report in REPORTS), f"{codes}\n{logs}"

    def logs(self):
        return "\n".join(log.read_text(errors="replace")[-6000:] for log in self.folder.glob("*.log"))

    def ctl(self, *words):
        done = subprocess.run([BUILD / "controlplane/millctl", "--socket", self.socket, "--json", *words], text=True,
                              capture_output=True, env=ENVIRONMENT)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def serves(self):
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}\n{self.logs()}"
        status = self.ctl("status")
        return status and status["dataplane"]["connected"] and status["config"]["state"] == "applied"

    def drops(self):
        total = collections.Counter()
        for worker in self.ctl("counters")["workers"]:
            total.update(worker["dropped"])
        return {reason: count for reason, count in total.items() if count}

    def traffic_words(self, *words):
        return [TRAFFIC, "--device", f"memif:{self.memif}", "--seed", "3", "--seconds", "60", *map(str, words)]

    def traffic(self, *words):
        """Its result; every packet must have been right."""
        done = subprocess.run(self.traffic_words("--verify", 1, "--json", "-", *words), text=True, capture_output=True,
                              timeout=120, stdin=subprocess.DEVNULL, env=ENVIRONMENT)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self.logs()}"
        return json.loads(done.stdout)["trial"]
