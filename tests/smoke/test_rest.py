"""Servers that come and go by REST while real clients use them: gobetween's walk, replayed with curl."""
import json
import subprocess
from pathlib import Path

import pytest

from lab import BACKENDS, VIP4, VIP6, command, run, wait_for

HERE = Path(__file__).parent
API = "http://127.0.0.1:8888"
EXTRA = {"bind": [f"{VIP4}:8095", f"{VIP6}:8095"], "protocol": "tcp", "balance": "roundrobin", "max_connections": 0,
         "client_idle_timeout": "10m", "healthcheck": {"kind": "none", "interval": "0", "timeout": "0"},
         "discovery": {"kind": "static", "static_list": ["10.72.1.1:80", "10.72.1.2:80", "[fd72::21]:80"]}}


def ask(method, path, body=None):
    """Status and answer; an answer that is no JSON is text."""
    words = ["curl", "-s", "-m", "20", "-X", method, "-w", "\n%{http_code}", API + path]
    words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body is not None else []
    answer, _, status = run("lb", *words).stdout.rpartition("\n")
    try:
        return int(status), json.loads(answer)
    except json.JSONDecodeError:
        return int(status), answer


def restart_control(daemons):
    daemons.kill("millraced")
    daemons.start_one("millraced")
    wait_for(lambda: (daemons.ctl("status", check=False) or {}).get("config", {}).get("state") == "applied")


@pytest.fixture(scope="module")
def rest(daemons):
    before = daemons.config.read_text()
    daemons.config.write_text(before.replace("[api]\n", '[api]\nbind = ":8888"\n'))
    restart_control(daemons)
    yield daemons
    daemons.config.write_text(before)
    Path(f"{daemons.config}.changes").unlink(missing_ok=True)
    restart_control(daemons)


@pytest.fixture
def extra(rest):
    assert ask("POST", "/servers/extra", EXTRA) == (200, None)
    yield rest
    ask("DELETE", "/servers/extra")


def fetch(vip):
    return run("client", "curl", "-sg", "--max-time", "2", f"http://{vip}:8095/", check=False)


def test_gobetweens_walk(rest):
    status, about = ask("GET", "/")
    assert status == 200 and about["configuration"] == {"kind": "file", "path": str(rest.config)}
    assert ask("GET", "/ping") == (200, "OK")
    assert "web" in ask("GET", "/servers")[1]
    assert ask("GET", "/servers/extra")[0] == 404
    assert ask("POST", "/servers/extra", EXTRA) == (200, None)
    assert ask("POST", "/servers/extra", EXTRA)[0] == 409
    shown = ask("GET", "/servers/extra")[1]
    assert {key: shown[key] for key in EXTRA} == EXTRA
    for vip in (VIP4, VIP6):
        assert {fetch(vip).stdout.strip() for _ in range(4)} <= set(BACKENDS), rest.evidence()
    stats = ask("GET", "/servers/extra/stats")[1]
    assert sum(backend["stats"]["total_connections"] for backend in stats["backends"]) == 8, stats
    assert all(backend["stats"]["live"] for backend in stats["backends"])
    assert stats["rx_total"] > 0 and stats["tx_total"] > 0, stats
    assert "[servers.extra]" in ask("GET", "/dump")[1]
    assert ask("GET", "/dump?format=json")[1]["servers"]["extra"] == EXTRA
    assert ask("DELETE", "/servers/extra") == (200, None)
    assert ask("DELETE", "/servers/extra")[0] == 404
    assert "extra" not in ask("GET", "/servers")[1]
    assert fetch(VIP4).returncode == 28, "no answer: nothing listens, and nobody says so"


def test_refusals_change_nothing(rest):
    before = ask("GET", "/servers")[1]
    taken = EXTRA | {"bind": f"{VIP4}:80"}
    status, said = ask("POST", "/servers/extra", taken)
    assert status == 400 and "servers.web" in str(said["errors"]), said
    status, said = ask("POST", "/servers/extra", {"bind": f"{VIP4}:8095", "blance": "weight"})
    assert status == 400 and "did you mean balance?" in str(said["errors"]), said
    assert ask("GET", "/servers")[1] == before


def test_a_deleted_servers_connections_live_on(extra):
    with subprocess.Popen(command("client", HERE / "asks_twice.py", VIP4, 8095), text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as client:
        first = client.stdout.readline()
        assert first.strip() in BACKENDS, extra.evidence()
        assert ask("DELETE", "/servers/extra") == (200, None)
        client.stdin.write("\n")
        client.stdin.flush()
        assert client.stdout.readline() == first, extra.evidence()
        client.stdin.write("\n")


def test_changed_under_a_living_connection(extra):
    with subprocess.Popen(command("client", HERE / "asks_twice.py", VIP4, 8095), text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as client:
        first = client.stdout.readline()
        status, said = ask("PATCH", "/v1/services/extra",
                           {"discovery": {"kind": "static", "static_list": ["10.72.1.3:80", "[fd72::23]:80"]}})
        assert (status, said["dataplane"]) == (200, "applied"), said
        assert {fetch(VIP4).stdout.strip() for _ in range(4)} == {"backend3"}, extra.evidence()
        client.stdin.write("\n")
        client.stdin.flush()
        assert client.stdout.readline() == first, extra.evidence()
        client.stdin.write("\n")


def test_kept_over_kill_9(extra):
    restart_control(extra)
    assert fetch(VIP4).stdout.strip() in BACKENDS, extra.evidence()
    assert ask("GET", "/v1/changes")[1]["changed"] == ["extra"]
    assert ask("DELETE", "/v1/changes")[0] == 200
    assert ask("GET", "/servers/extra")[0] == 404
