"""The guest boots once and runs both daemons on its card; tests/qemu/test_pci.py says what must be true of them."""
import json
import os
import tempfile
import time
from pathlib import Path

import pytest

import guest as guests
import wire

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = Path(os.environ.get("MILLRACE_BUILD", TOP / "build/release")).resolve()
CARD, QUEUES = "0000:00:10.0", 4
TO_VFIO = f"""
cd /sys/bus/pci/devices/{CARD}
echo vfio-pci >driver_override
[ ! -e driver ] || echo {CARD} >driver/unbind
echo {CARD} >/sys/bus/pci/drivers_probe
"""
START = f"""
for program in {BUILD}/dataplane/millrace-dataplane {BUILD}/controlplane/millraced; do
  $program --config /run/millrace.toml >>/run/$(basename $program).log 2>&1 &
done
"""
# The TAP that is the kernel's side of the card, once it is there.
ADDRESSES = """
ip link set front up
ip address add 203.0.113.1/24 dev front
ip address add 2001:db8:10::1/64 dev front nodad
"""
START_SECONDS = 90


class Balancer:
    """Both daemons in the guest."""

    def __init__(self, guest):
        self.guest = guest

    def start(self, config, addresses=ADDRESSES):
        self.guest.run(f"cat >/run/millrace.toml <<'END'\n{config}\nEND\n{START}")
        deadline = time.monotonic() + START_SECONDS
        while (self.ctl("status") or {}).get("config", {}).get("state") != "applied":
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.5)
        self.guest.run(addresses)

    def kill(self):
        self.guest.run("pkill -9 millrace-datapl; pkill -9 millraced; while pgrep millrace >/dev/null; do sleep 0.1; done")

    def ctl(self, *words):
        said = self.guest.run(f"{BUILD}/controlplane/millctl --json {' '.join(words)}", check=False)
        try:
            return json.loads(said)
        except ValueError:
            return None

    def handed_over(self):
        """Of all ports."""
        return sum(port["handed_over"] for port in self.ctl("steering")["ports"])

    def opened(self):
        """Connections, by worker."""
        return [worker["connections_opened"] for worker in self.ctl("counters")["workers"]]

    def logs(self):
        return self.guest.run("tail -n 30 /run/*.log", check=False) + self.guest.logs()


@pytest.fixture(scope="session")
def guest():
    if problem := guests.missing():
        pytest.skip(problem)
    devices = wire.make(QUEUES)
    with tempfile.TemporaryDirectory(prefix="millrace-qemu-") as folder:
        machine = guests.Guest(Path(folder), wire.FAR, devices)
        backends = wire.Backends()
        try:
            machine.wait_up()
            machine.run("ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0" + TO_VFIO)
            yield machine
        finally:
            backends.close()
            machine.stop()
            wire.remove()


@pytest.fixture(scope="session")
def balancer(guest):
    balancer = Balancer(guest)
    balancer.start((HERE / "config.toml").read_text())
    return balancer
