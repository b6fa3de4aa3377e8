"""The real millraced without a dataplane, and the real registries of Debian, each on the loopback with a folder of its own."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from base64 import b64encode
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MILLRACE_BUILD", TOP / "build/sanitize")).resolve()
SANITIZERS = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:abort_on_error=1",
              "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
              "LSAN_OPTIONS": f"print_suppressions=0:suppressions={TOP / 'tests/lsan.supp'}"}
REPORTS = ("AddressSanitizer", "LeakSanitizer", "runtime error:")
CONFIG = """
[dataplane]
workers = "0"
segment = "{folder}/segment"
[[dataplane.port]]
name = "front"
device = "null"
[api]
socket = "{folder}/api.sock"
[snat.lan]
addresses = ["10.72.0.10"]
[servers.web]
bind = "203.0.113.10:80"
[servers.web.discovery]
{discovery}
"""


def wait_until(is_so, seconds=20, evidence=lambda: ""):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, evidence()
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def base64(text):
    return b64encode(text.encode()).decode()


class Program:
    """A process whose output goes to a file."""

    def __init__(self, folder, words):
        self.words, self.log = [str(word) for word in words], Path(folder) / "log"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            env=os.environ | SANITIZERS)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        """Its connections stand, and nobody answers."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def said(self):
        return self.log.read_text(errors="replace")


class ZooKeeper(Program):
    def __init__(self, folder):
        self.port = free_port()
        config = folder / "zoo.cfg"
        config.write_text(f"tickTime=500\ndataDir={folder}/data\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n"
                          "admin.enableServer=false\nmaxClientCnxns=0\n")
        super().__init__(folder, ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                                  "-Dzookeeper.forceSync=no", "-cp", "/usr/share/java/zookeeper.jar",
                                  "org.apache.zookeeper.server.ZooKeeperServerMain", config])


class Etcd(Program):
    def __init__(self, folder, scheme="http", options=()):
        self.port, peer = free_port(), free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        super().__init__(folder, ["etcd", "--data-dir", folder / "data", "--listen-client-urls", self.url,
                                  "--advertise-client-urls", self.url, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                                  "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster",
                                  f"default=http://127.0.0.1:{peer}", *options])

    def ask(self, path, tls=None, token=None, **body):
        request = urllib.request.Request(self.url + "/v3" + path, json.dumps(body).encode(),
                                         {"Authorization": token} if token else {})
        with urllib.request.urlopen(request, timeout=10, context=tls) as answer:
            return json.load(answer)

    def wait_ready(self, tls=None):
        def is_ready():
            try:
                return self.ask("/maintenance/status", tls=tls)["leader"] != "0"
            except OSError:
                return False
        wait_until(is_ready, evidence=self.said)

    def put(self, key, value, **options):
        return self.ask("/kv/put", key=base64(key), value=base64(value), **options)

    def delete(self, key):
        return self.ask("/kv/deleterange", key=base64(key))


class Millraced(Program):
    """With one service, web, whose backends are found as `discovery` says."""

    def __init__(self, folder, discovery):
        self.folder, self.config = folder, folder / "millrace.toml"
        self.write(discovery)
        super().__init__(folder, [BUILD / "controlplane/millraced", "--config", self.config])

    def write(self, discovery):
        self.config.write_text(CONFIG.format(folder=self.folder, discovery=discovery))

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        assert code == 0 and not any(report in self.said() for report in REPORTS), f"ended with {code}\n{self.said()}"

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def get(self, path):
        """None while nobody answers."""
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.folder / "api.sock"))
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()

    def backends(self):
        answer = self.get("/v1/backends")
        return {row["backend"]: row for row in (answer or {"backends": []})["backends"] if row["health"] != "gone"}

    def discovery(self):
        rows = (self.get("/v1/services") or {}).get("services")
        return rows[0]["discovery"] if rows else {}  # none before the first answer

    def wait_for(self, *backends):
        wait_until(lambda: set(self.backends()) == set(backends),
                   evidence=lambda: f"{sorted(self.backends())[:20]}\n{self.discovery()}\n{self.said()[-3000:]}")

    def wait_failing(self, sentence):
        def fails_so():
            now = self.discovery()
            return now.get("failing") and sentence in now["failure"]
        wait_until(fails_so, evidence=lambda: f"{self.discovery()}\n{self.said()[-3000:]}")

    def wait_answering(self):
        wait_until(lambda: self.discovery().get("answered_at", 0) and not self.discovery().get("failing"),
                   evidence=lambda: f"{self.discovery()}\n{self.said()[-3000:]}")
