"""The flow log: a line for each connection that real clients made, in a file that may be rotated."""
import json

import pytest

from lab import BACKENDS, VIP4, VIP6, run, start_background, wait_for

WINDOW_SECONDS = 2  # of TIME_WAIT, so that nobody waits half a minute for a line


@pytest.fixture
def logged(daemons, tmp_path):
    """The daemons with a flow log; its file."""
    before = daemons.config.read_text()
    file = tmp_path / "flows.json"
    daemons.config.write_text(before + f'\n[flow_log]\noutput = "{file}"\n\n[timeouts]\ntime_wait = "{WINDOW_SECONDS}s"\n')
    assert daemons.ctl("reload")["accepted"]
    yield daemons, file
    daemons.config.write_text(before)
    daemons.ctl("reload")


def flows(file, **wanted):
    """Those that have these values; a line under way is left out."""
    text = file.read_text() if file.exists() else ""
    lines = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
    return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]


def fetch(url, *options):
    return run("client", "curl", "-sg", "--max-time", "10", *options, url, check=False).stdout.strip()


@pytest.mark.parametrize("vip", [VIP4, VIP6])
def test_a_line_for_each_connection(logged, vip):
    daemons, file = logged
    names = [fetch(f"http://{vip}/") for _ in range(5)]
    assert set(names) <= set(BACKENDS), daemons.evidence()
    wait_for(lambda: len(flows(file, service="web", end="closed", vip=f"{vip}:80")) >= 5, WINDOW_SECONDS + 10)
    lines = flows(file, service="web", end="closed", vip=f"{vip}:80")
    assert len(lines) == 5 and len({line["client"] for line in lines}) == 5, lines
    assert all(line["duration_ms"] < 5000 and line["mode"] == "fullnat" and line["snat"] for line in lines), lines
    account = daemons.ctl("status")["flow_log"]
    assert account["written"] >= 5 and account["over_rate"] == account["lost"] == account["malformed"] == 0, account


def test_a_proxied_connection_and_one_that_its_client_resets(logged):
    daemons, file = logged
    assert fetch(f"http://{VIP4}:81/") in BACKENDS, daemons.evidence()
    held = start_background("client", "/usr/bin/python3", "-c",
                            "import socket, struct, time\n"
                            f"s = socket.create_connection(('{VIP4}', 80), 5)\n"
                            "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
                            "time.sleep(1)\ns.close()")
    assert held.wait(20) == 0
    wait_for(lambda: flows(file, service="proxied", proxied=True, end="closed"), WINDOW_SECONDS + 10)
    wait_for(lambda: flows(file, service="web", end="reset"), 15)
    (reset,) = flows(file, service="web", end="reset")
    assert 900 <= reset["duration_ms"] < 3000, reset


def test_a_rotated_file(logged):
    daemons, file = logged
    fetch(f"http://{VIP4}/")
    wait_for(lambda: flows(file, service="web"), WINDOW_SECONDS + 10)
    file.rename(file.with_suffix(".1"))
    assert daemons.ctl("reload")["accepted"]
    fetch(f"http://{VIP4}/")
    wait_for(lambda: flows(file, service="web"), WINDOW_SECONDS + 10)
    assert len(flows(file, service="web")) == len(flows(file.with_suffix(".1"), service="web")) == 1
