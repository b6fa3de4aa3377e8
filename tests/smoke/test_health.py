"""Backends are asked by the kinds of check that real servers answer, and a sick one gets no traffic while it is."""
import pytest

from lab import BACKENDS, VIP4, VIP6, reached, run, wait_for
from test_failures import LOAD_SECONDS, Load, health

PING = 'kind = "ping"'
HTTP = 'kind = "http"\nhttp_path = "/health"\nhttp_expect = "200"\nhttp_body_regexp = \'^well\\n\''
HTTP_BY_PROBE = """kind = "probe"
probe_protocol = "tcp"
probe_send = 'GET /health HTTP/1.0\\r\\n\\r\\n'
probe_recv = "HTTP/1.1 200"
"""


@pytest.fixture
def checked_by(daemons):
    """Puts another check of service web in force; the lab's own stands again afterwards."""
    before = daemons.config.read_text()

    def reload(check):
        text = before.replace(PING, check, 1)
        assert text != before
        daemons.config.write_text(text)
        daemons.ctl("reload")

    yield reload
    daemons.config.write_text(before)
    daemons.ctl("reload")
    wait_for(lambda: health(daemons, "") == {"up"})


@pytest.fixture
def sick(daemons):
    """The file that makes backend2 answer 503; gone afterwards."""
    file = daemons.run_dir / "backend2" / "sick"
    yield file
    file.unlink(missing_ok=True)


def wait_for_backend2(daemons, state, cause):
    """Both of its addresses; the log has a line for each."""
    wait_for(lambda: health(daemons, "10.72.1.2") | health(daemons, "[fd72::22]") == {state})
    log = (daemons.run_dir / "millraced.log").read_text()
    for backend in ("10.72.1.2:80", "[fd72::22]:80"):
        assert f"backend web/{backend} is {state}: {cause} (" in log, log[-3000:]
    assert health(daemons, "10.72.1.1") | health(daemons, "[fd72::21]") == {"up"}


def test_http_503_takes_a_backend_down_and_200_brings_it_back(daemons, checked_by, sick):
    checked_by(HTTP)
    load = Load(seconds=LOAD_SECONDS)
    sick.touch()
    wait_for_backend2(daemons, "down", "answered 503, not 200")
    for vip in (VIP4, VIP6):
        assert reached(vip, set(BACKENDS) - {"backend2"}), daemons.evidence()
    sick.unlink()
    wait_for_backend2(daemons, "up", "answered 200")
    account = load.finish()
    assert account["failures"] == []
    assert set(account["answers"]) == set(BACKENDS)


def test_probe(daemons, checked_by, sick):
    checked_by(HTTP_BY_PROBE)
    sick.touch()
    wait_for_backend2(daemons, "down", 'answered "HTTP/1.1 503", not "HTTP/1.1 200"')
    sick.unlink()
    wait_for_backend2(daemons, "up", "answered as expected")


def test_icmp(daemons, checked_by):
    """Whatever its services do, a backend whose kernel is silent is down."""
    checked_by('kind = "icmp"')
    switches = ("net.ipv4.icmp_echo_ignore_all", "net.ipv6.icmp.echo_ignore_all")
    try:
        run("backend2", "sysctl", "-qw", *(f"{switch}=1" for switch in switches))
        wait_for_backend2(daemons, "down", "no answer within 1000 ms")
    finally:
        run("backend2", "sysctl", "-qw", *(f"{switch}=0" for switch in switches))
    wait_for_backend2(daemons, "up", "answered the echo request")


def test_https_by_name_and_certificate(daemons, checked_by):
    """All backends have the lab's certificate, which is for lab.test."""
    https = 'kind = "https"\nport = 443\ntls_ca = "{}/lab.crt"\nhttp_host = "{}"'
    checked_by(https.format(daemons.run_dir, "other.test"))
    wait_for(lambda: health(daemons, "") == {"down"})
    assert "is down: its certificate is not believed: hostname mismatch (" in (
        daemons.run_dir / "millraced.log").read_text()
    checked_by(https.format(daemons.run_dir, "lab.test"))
    wait_for_backend2(daemons, "up", "answered 200")
