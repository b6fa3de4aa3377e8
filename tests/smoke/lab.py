"""scripts/lab for the smoke tests: one lab, its daemons, and commands inside it."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MILLRACE_BUILD", TOP / "build/sanitize")).resolve()
DATAPLANE = BUILD / "dataplane/millrace-dataplane"
CONTROL = BUILD / "controlplane/millraced"
FULL = os.environ.get("MILLRACE_FULL") == "1"
NAME = "smoke"
BACKENDS = ("backend1", "backend2", "backend3")
VIP4, VIP6 = "203.0.113.10", "[2001:db8:10::10]"
SANITIZERS = {"ASAN_OPTIONS": "abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
              "LSAN_OPTIONS": f"print_suppressions=0:suppressions={TOP / 'tests/lsan.supp'}"}
REPORTS = ("AddressSanitizer", "LeakSanitizer", "runtime error:")


def lab(verb, *words, check=True):
    """scripts/lab; what it said is shown when it fails."""
    done = subprocess.run([TOP / "scripts/lab", verb, "--name", NAME, *words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=os.environ | SANITIZERS)
    assert not check or done.returncode == 0, done.stdout
    return done


def command(role, *words):
    return ["ip", "netns", "exec", f"{NAME}-{role}", *map(str, words)]


def run(role, *words, check=True, timeout=120):
    """A command inside; its output as text."""
    done = subprocess.run(command(role, *words), text=True, capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def start_background(role, *words):
    return subprocess.Popen(command(role, *words), text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)


class Daemons:
    """millrace-dataplane and millraced of the lab, as scripts/lab start runs them."""

    def __init__(self, *options):
        self.options = options
        self.run_dir = Path(lab("dir").stdout.strip())
        self.config = self.run_dir / "millrace.toml"

    def start(self):
        lab("start", "--build", BUILD, *self.options)

    def stop(self):
        lab("stop")
        for log in sorted(self.run_dir.glob("millrace*.log")):
            text = log.read_text(errors="replace")
            assert not any(report in text for report in REPORTS), f"{log.name}:\n{text[-8000:]}"

    def pid(self, name):
        return int((self.run_dir / f"{name}.pid").read_text())

    def kill(self, name):
        """kill -9, and wait until it is gone."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not runs(pid))

    def start_one(self, name):
        """The start command of this daemon alone, as an operator would give it."""
        program = {"millrace-dataplane": DATAPLANE, "millraced": CONTROL}[name]
        with open(self.run_dir / f"{name}.log", "ab") as log:
            started = subprocess.Popen(command("lb", program, "--config", self.config), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True, env=os.environ | SANITIZERS)
        (self.run_dir / f"{name}.pid").write_text(f"{started.pid}\n")

    def ctl(self, *words, check=True):
        done = subprocess.run([BUILD / "controlplane/millctl", "--socket", self.run_dir / "millrace.sock", "--json",
                               *words], text=True, capture_output=True, env=os.environ | SANITIZERS)
        assert not check or done.returncode == 0, f"millctl {words}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.returncode == 0 else None

    def evidence(self):
        """For a failure's message: what the daemons say of themselves."""
        views = [subprocess.run([BUILD / "controlplane/millctl", "--socket", self.run_dir / "millrace.sock", verb],
                                text=True, capture_output=True).stdout for verb in ("status", "backends", "drops")]
        logs = [log.read_text(errors="replace")[-4000:] for log in sorted(self.run_dir.glob("millrace*.log"))]
        return "\n".join(views + logs)


def runs(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_for(happened, seconds=15.0, every=0.05, attempts_min=20):
    """A machine that stood still meanwhile gets some more attempts."""
    deadline = time.monotonic() + seconds
    made = 0
    while not happened():
        made += 1
        assert made < attempts_min or time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(every)


def reached(vip, names, fewest=6, most=60):
    """Every one of them answers at a VIP, and nobody else does. Who gets a connection is a matter of its port and of what
    other load there is."""
    seen, asked = set(), 0
    while asked < fewest or (asked < most and seen < set(names)):
        seen.add(run("client", "curl", "-s", "--max-time", "5", f"http://{vip}/").stdout.strip())
        asked += 1
    return seen == set(names)
