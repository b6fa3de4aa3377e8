"""A configuration that is planned, applied, confirmed or taken back while clients use it: none of them notices."""
import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import BACKENDS, BUILD, SANITIZERS, VIP4, command, reached, run, start_background, wait_for

HERE = Path(__file__).parent
LIST = ('["10.72.1.1:80", "10.72.1.2:80", "10.72.1.3:80", "[fd72::21]:80", "[fd72::22]:80", "[fd72::23]:80"]')
ADDRESS = {"backend1": "10.72.1.1:80", "backend2": "10.72.1.2:80", "backend3": "10.72.1.3:80"}
REQUESTS_PER_SECOND = 40
TRIAL_SECONDS = 2


def millctl(daemons, *words):
    """Exit code and answer."""
    done = subprocess.run([BUILD / "controlplane/millctl", "--socket", daemons.run_dir / "millrace.sock", "--json",
                           *map(str, words)], text=True, capture_output=True, env={**SANITIZERS, "PATH": "/usr/bin"})
    return done.returncode, json.loads(done.stdout)


def without(text, name):
    """The configuration with service web lacking one backend's IPv4 address; the other services keep it."""
    head, found, tail = text.partition("[servers.webnat]")
    assert found and LIST in head
    return head.replace(LIST, LIST.replace(f'"{ADDRESS[name]}", ', "")) + found + tail


def ask():
    return run("client", "curl", "-s", "--max-time", "5", f"http://{VIP4}/").stdout.strip()


def answers(count=9):
    return {ask() for _ in range(count)}


@contextmanager
def held_connection(daemons):
    """A connection that is asked at the beginning and at the end; its backend."""
    with subprocess.Popen(command("client", HERE / "asks_twice.py", VIP4, 80), text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as client:
        first = client.stdout.readline().strip()
        assert first in BACKENDS, daemons.evidence()
        yield first
        client.stdin.write("\n")
        client.stdin.flush()
        assert client.stdout.readline().strip() == first, daemons.evidence()
        client.stdin.write("\n")


@contextmanager
def steady_load(seconds):
    """New connections all the time; not one of them may fail."""
    load = start_background("client", HERE / "paced.py", f"http://{VIP4}:80/", REQUESTS_PER_SECOND, seconds)
    yield load
    account = json.loads(load.communicate(timeout=seconds + 60)[0])
    assert account["failures"] == [] and account["answered"] == REQUESTS_PER_SECOND * seconds, account


@pytest.fixture
def kept(daemons):
    """The file is at the end what it was."""
    before = daemons.config.read_text()
    yield daemons
    if daemons.config.read_text() != before:
        daemons.config.write_text(before)
        daemons.ctl("reload")


def test_plan_apply_rollback_and_a_trial_that_ends(kept, tmp_path):
    before = kept.config.read_text()
    new = tmp_path / "new.toml"
    with steady_load(8), held_connection(kept) as backend:
        new.write_text(without(before, backend))
        assert millctl(kept, "plan", kept.config)[0] == 0
        code, plan = millctl(kept, "plan", new)
        assert code == 2, plan
        (web,) = plan["services"]
        (gone,) = web["backends"]
        assert web["service"] == "web" and gone["backend"] == ADDRESS[backend] and gone["change"] == "removed"
        assert gone["active"] >= 1 and web["connections"]["drained"] == gone["active"], plan
        assert reached(VIP4, BACKENDS), "a plan changes nothing"

        code, change = millctl(kept, "apply", new)
        assert code == 0 and change["dataplane"] == "applied", change
        assert kept.config.read_text() == new.read_text()
        assert answers() <= set(BACKENDS) - {backend}, kept.evidence()

        code, change = millctl(kept, "rollback")
        assert code == 0 and change["dataplane"] == "applied", change
        assert kept.config.read_text() == before
        assert reached(VIP4, BACKENDS), kept.evidence()

        code, change = millctl(kept, "apply", new, "--confirm-within", f"{TRIAL_SECONDS}s")
        assert code == 0 and "confirm_until" in change, change
        assert answers() <= set(BACKENDS) - {backend}, kept.evidence()
        wait_for(lambda: kept.config.read_text() == before, TRIAL_SECONDS + 10)
        wait_for(lambda: kept.ctl("status")["config"]["state"] == "applied")
        assert reached(VIP4, BACKENDS), kept.evidence()
    entries = kept.ctl("history")["entries"]
    assert [entry["origin"] for entry in entries[-4:]] == ["apply", "rollback", "apply", "rollback"], entries
    assert entries[-1]["summary"].startswith("not confirmed"), entries


def test_a_confirmed_change_stays(kept, tmp_path):
    new = tmp_path / "new.toml"
    new.write_text(without(kept.config.read_text(), "backend1"))
    assert millctl(kept, "apply", new, "--confirm-within", f"{TRIAL_SECONDS}s")[0] == 0
    assert millctl(kept, "confirm")[0] == 0
    assert millctl(kept, "confirm")[0] == 1, "once"
    assert kept.ctl("history")["unconfirmed"] is None
    assert answers() <= {"backend2", "backend3"}, kept.evidence()


def test_kill_9_within_the_trial_takes_it_back(kept, tmp_path):
    before = kept.config.read_text()
    new = tmp_path / "new.toml"
    with held_connection(kept) as backend:
        new.write_text(without(before, backend))
        assert millctl(kept, "apply", new, "--confirm-within", "1h")[0] == 0
        kept.kill("millraced")
        assert kept.config.read_text() == new.read_text()
        assert answers() <= set(BACKENDS) - {backend}, "traffic goes on without millraced"
        kept.start_one("millraced")
        wait_for(lambda: (kept.ctl("status", check=False) or {}).get("config", {}).get("state") == "applied")
        assert kept.config.read_text() == before
        assert reached(VIP4, BACKENDS), kept.evidence()


def test_settings_are_tuned_while_clients_go_on(kept):
    def tuned():
        return {row["name"]: row["value"] for row in kept.ctl("tune")["settings"] if row["tuned"]}

    wanted = {"dataplane.burst": "4", "dataplane.idle": "busy", "timeouts.fin_wait": "30s"}
    with steady_load(4), held_connection(kept):
        for name, value in wanted.items():
            code, change = millctl(kept, "tune", f"{name}={value}")
            assert code == 0 and change["dataplane"] == "applied", change
        assert tuned() == wanted
        code, refused = millctl(kept, "tune", "dataplane.burst=65", "timeouts.fin_wait=1m")
        assert code == 1 and "burst" in json.dumps(refused), refused
        assert tuned() == wanted
        assert millctl(kept, "tune", "--reset", *wanted)[0] == 0
        assert tuned() == {} and reached(VIP4, BACKENDS), kept.evidence()
