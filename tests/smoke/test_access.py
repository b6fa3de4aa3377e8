"""Access rules with a real client that has two addresses, one of which may not connect."""
import pytest

from lab import BACKENDS, VIP4, VIP6, run

CASES = {"v4": (VIP4, "203.0.113.2", "203.0.113.3"), "v6": (VIP6, "2001:db8:10::2", "2001:db8:10::3")}
RULES = """
  [servers.web.access]
  default = "deny"
  rules = ["deny 203.0.113.3", "allow 203.0.113.0/24", "deny 2001:db8:10::3", "allow 2001:db8:10::/64"]
"""


@pytest.fixture(scope="module")
def guarded(daemons):
    before = daemons.config.read_text()
    for prefix in ("203.0.113.3/24", "2001:db8:10::3/64"):
        run("client", "ip", "addr", "add", prefix, "dev", "eth0", *(["nodad"] if ":" in prefix else []))
    daemons.config.write_text(before.replace("\n[servers.webnat]", RULES + "\n[servers.webnat]"))
    daemons.ctl("reload")
    yield daemons
    daemons.config.write_text(before)
    daemons.ctl("reload")
    for prefix in ("203.0.113.3/24", "2001:db8:10::3/64"):
        run("client", "ip", "addr", "del", prefix, "dev", "eth0")


def denied(daemons):
    return next(row["denied"] for row in daemons.ctl("services")["services"] if row["service"] == "web")


@pytest.mark.parametrize("family", CASES)
def test_curl(guarded, family):
    vip, friend, stranger = CASES[family]

    def curl(source):
        return run("client", "curl", "-sf", "--max-time", "2", "--interface", source, f"http://{vip}/", check=False)

    before = denied(guarded)
    assert curl(stranger).returncode == 28, "no answer at all"  # curl(1): operation timeout
    assert denied(guarded) > before
    assert curl(friend).stdout.strip() in BACKENDS, guarded.evidence()
