"""What perf/lab compares: each system takes the VIPs of the lab, serves, and gives them back.

Where to send: targets(family) and iperf_target(). Millrace answers for the VIPs itself; for the others they are
addresses of lb's kernel while they run.
"""
import signal
import subprocess
import time
from pathlib import Path

from lab_network import LabError

HERE = Path(__file__).resolve().parent
VIP = {"ipv4": "203.0.113.10", "ipv6": "2001:db8:10::10"}
BACKENDS = {"ipv4": ("10.72.1.1", "10.72.1.2", "10.72.1.3"), "ipv6": ("fd72::21", "fd72::22", "fd72::23")}
SNAT = [f"10.72.0.{n}/16" for n in range(10, 14)] + [f"fd72::{n}/64" for n in range(10, 14)]
READY_SECONDS = 10


class System:
    name = ""
    program = None  # --version is asked of it

    def __init__(self, network, build):
        self.network, self.build = network, build

    def start(self):
        raise NotImplementedError

    def stop(self):
        """Also after a start that failed half way."""

    def targets(self, family):
        return [VIP[family]]

    def iperf_target(self):
        return VIP["ipv4"]

    def wait_ready(self):
        for family in VIP:
            for target in self.targets(family):
                self.wait_answer(f"http://[{target}]/" if ":" in target else f"http://{target}/")

    def wait_answer(self, url):
        deadline = time.monotonic() + READY_SECONDS
        while subprocess.run(self.network.command("client", "curl", "-sf", "-m", "1", "-o", "/dev/null", url),
                             stdin=subprocess.DEVNULL).returncode != 0:
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: {url} does not answer within {READY_SECONDS} s{self.last_words()}")
            time.sleep(0.05)

    def last_words(self):
        log = self.network.run_dir / f"{self.name}.log"
        return f"\n{log.read_text(errors='replace')[-1000:]}" if log.exists() else ""


class Direct(System):
    """No balancer: the client's second link leads to the backends."""
    name = "direct"

    def start(self):
        self.wait_ready()

    def targets(self, family):
        return BACKENDS[family]

    def iperf_target(self):
        return BACKENDS["ipv4"][0]


class Millrace(System):
    """Both daemons of the release build as scripts/lab runs them: one worker, AF_XDP."""
    name, idle = "millrace", "adaptive"

    def start(self):
        self.network.forget_neighbours()
        self.network.lab("start", "--build", self.build, "--idle", self.idle)
        self.wait_ready()

    def stop(self):
        self.network.lab("stop")


class MillraceBusy(Millrace):
    """A worker that never sleeps: what a NIC host would run, and half of a machine of two cores."""
    name, idle = "millrace-busy", "busy"


class KernelSystem(System):
    """The VIPs are lb's own while it runs."""
    addresses = [("front", f"{VIP['ipv4']}/32"), ("front", f"{VIP['ipv6']}/128")]

    def start(self):
        for device, address in self.addresses:
            self.network.inside("lb", "ip", "address", "add", address, "dev", device,
                                *(["nodad"] if ":" in address else []))
        self.network.forget_neighbours()
        self.start_program()
        self.wait_ready()

    def stop(self):
        self.stop_program()
        for device, address in self.addresses:
            subprocess.run(self.network.command("lb", "ip", "address", "del", address, "dev", device),
                           stderr=subprocess.DEVNULL)

    def start_program(self):
        raise NotImplementedError

    def stop_program(self):
        raise NotImplementedError

    def fill_in(self, template):
        made = self.network.run_dir / template.removesuffix(".in")
        made.write_text((HERE / template).read_text().replace("@DIR@", str(self.network.run_dir)))
        return made


class Proxy(KernelSystem):
    """A daemon in lb."""
    process = None

    def words(self):
        raise NotImplementedError

    def start_program(self):
        with open(self.network.run_dir / f"{self.name}.log", "wb") as log:
            self.process = subprocess.Popen(self.network.command("lb", *self.words()), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)

    def stop_program(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(READY_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Haproxy(Proxy):
    name, program = "haproxy", ("haproxy", "-v")

    def words(self):
        return "haproxy", "-db", "-f", self.fill_in("haproxy.cfg.in")


class Nginx(Proxy):
    name, program = "nginx", ("nginx", "-v")

    def words(self):
        return "nginx", "-g", "daemon off;", "-c", self.fill_in("nginx_stream.conf.in")


class Nftables(KernelSystem):
    """The kernel's conntrack and NAT, with the addresses that Millrace uses."""
    name, program = "nftables", ("nft", "--version")
    addresses = KernelSystem.addresses + [("back", address) for address in SNAT]

    def start_program(self):
        self.network.inside("lb", "nft", "-f", HERE / "nat.nft")
        # 15,000 connections a second would fill the table within seconds if each stayed for two minutes.
        self.network.inside("lb", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1")
        self.forward(1)

    def stop_program(self):
        self.forward(0)
        self.network.inside("lb", "nft", "flush", "ruleset")

    def forward(self, on):
        self.network.inside("lb", "sysctl", "-qw", f"net.ipv4.ip_forward={on}", f"net.ipv6.conf.all.forwarding={on}")


ALL = {system.name: system for system in (Direct, Millrace, Haproxy, Nginx, Nftables, MillraceBusy)}
USUAL = ["direct", "millrace", "haproxy", "nginx", "nftables"]
