"""Things end, restart and change under load: what may fail is exactly what must."""
import json
import subprocess
import time
from pathlib import Path

import pytest

from lab import BACKENDS, FULL, NAME, VIP4, VIP6, run, start_background, wait_for

HERE = Path(__file__).resolve().parent
LOAD_SECONDS = 20 if FULL else 8
THREADS = 16 if FULL else 4
CHECK_SECONDS = 3 * 1.0 + 1.0  # fails x interval, and the timeout of the last check, see scripts/lab.d/config.toml.in
RELOADS = 20


class Load:
    """load.py in the client while the test does something; finish() gives its account."""

    def __init__(self, vip=VIP4, seconds=LOAD_SECONDS):
        self.process = start_background("client", HERE / "load.py", f"http://{vip}/", seconds, THREADS)
        time.sleep(1)

    def finish(self):
        said, _ = self.process.communicate(timeout=LOAD_SECONDS + 60)
        account = json.loads(said)
        assert sum(account["answers"].values()) > 100, account
        return account


def nginx_pids(role):
    inside = subprocess.run(["ip", "netns", "pids", f"{NAME}-{role}"], text=True, capture_output=True, check=True)
    return [pid for pid in inside.stdout.split() if Path(f"/proc/{pid}/comm").read_text().strip() == "nginx"]


def start_nginx(daemons, role):
    folder = daemons.run_dir / role
    run(role, "nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf")


def health(daemons, address):
    return {b["health"] for b in daemons.ctl("backends")["backends"]
            if b["service"] == "web" and b["backend"].startswith(address)}


def test_backend_killed(daemons):
    """Connections to it fail until the checks have noticed, and none after that."""
    load = Load()
    killed = time.monotonic()
    subprocess.run(["kill", "-9", *nginx_pids("backend1")], check=True)
    account = load.finish()
    noticed = killed - account["started"] + CHECK_SECONDS
    late = [failure for failure in account["failures"] if failure[0] > noticed]
    assert not late, late
    assert health(daemons, "10.72.1.1") == {"down"}

    start_nginx(daemons, "backend1")
    wait_for(lambda: health(daemons, "10.72.1.1") == {"up"})
    assert set(Load(seconds=2).finish()["answers"]) == set(BACKENDS)


@pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["v4", "v6"])
def test_reloads(daemons, vip):
    """A backend of each family taken out and put in again, time after time: nobody notices."""
    whole = daemons.config.read_text()
    part = whole.replace('"10.72.1.2:80", ', "").replace('"[fd72::22]:80", ', "")
    assert part != whole
    load = Load(vip)
    pause = (LOAD_SECONDS - 2) / (2 * RELOADS)
    for _ in range(RELOADS):
        for text in (part, whole):
            daemons.config.write_text(text)
            daemons.ctl("reload")
            time.sleep(pause)
    account = load.finish()
    assert account["failures"] == []
    assert set(account["answers"]) == set(BACKENDS)


def test_control_plane_killed(daemons):
    load = Load()
    daemons.kill("millraced")
    time.sleep(1)
    daemons.start_one("millraced")
    wait_for(lambda: applied(daemons))
    assert load.finish()["failures"] == []
    status = daemons.ctl("status")
    assert status["backends"]["up"] == status["backends"]["total"]


def applied(daemons):
    status = daemons.ctl("status", check=False)
    return status and status["dataplane"]["connected"] and status["config"]["state"] == "applied"


def test_dataplane_killed(daemons):
    """Silence while it is down, never a refusal; the same command brings it back without any cleaning."""
    load = Load(seconds=LOAD_SECONDS + 4)
    daemons.kill("millrace-dataplane")
    time.sleep(1)
    refused = run("client", "curl", "-s", "--max-time", "1", f"http://{VIP4}/", check=False)
    assert refused.returncode in (7, 28) and "refused" not in refused.stderr  # no route yet to the VIP, or no answer
    daemons.start_one("millrace-dataplane")
    wait_for(lambda: applied(daemons), seconds=30)
    account = load.finish()
    assert not [failure for failure in account["failures"] if "refused" in failure[1]], account["failures"]
    for vip in (VIP4, VIP6):
        assert run("client", "curl", "-sf", "--max-time", "5", f"http://{vip}/").stdout.strip() in BACKENDS


def test_stop_and_start(daemons):
    """An orderly end leaves nothing in the way of the next start."""
    for _ in range(2):
        daemons.stop()
        xdp = run("lb", "ip", "-d", "link", "show", "front").stdout
        assert "xdp" not in xdp, xdp
        daemons.start()
    assert run("client", "curl", "-sf", f"http://{VIP4}/").stdout.strip() in BACKENDS
