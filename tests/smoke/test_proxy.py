"""Mode proxy with real programs: HTTP, TLS, servers that speak first."""
import re
from pathlib import Path

import pytest

from lab import BACKENDS, FULL, VIP4, VIP6, run

REQUESTS = 100_000 if FULL else 3_000
HERE = Path(__file__).resolve().parent
CLIENTS = {VIP4: "203.0.113.2", VIP6: "2001:db8:10::2"}

both_vips = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["v4", "v6"])


@both_vips
def test_backends_are_told_the_client(each_way, vip):
    headers = [run("client", "curl", "-sfI", "--max-time", "5", f"http://{vip}:81/").stdout for _ in range(6)]
    assert {re.search(r"X-Client: (\S+)", header).group(1) for header in headers} == {CLIENTS[vip]}
    assert {re.search(r"X-Backend: (\S+)", header).group(1) for header in headers} == set(BACKENDS)


@both_vips
@pytest.mark.parametrize("name, backend", [("www.lab.test", "backend1"), ("shop.lab.test", "backend2"),
                                           ("other.test", "backend3")])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_server_names_choose(each_way, vip, name, backend, version):
    said = run("client", "curl", "-sfk", "--max-time", "5", f"--tlsv{version}", "--tls-max", version, "--connect-to",
               f"{name}:443:{vip}:443", f"https://{name}/").stdout
    assert said.split() == [backend, f"TLSv{version}"]


@both_vips
def test_servers_that_speak_first(each_way, vip):
    """The client says nothing until it was greeted."""
    for _ in range(6):
        talk = run("client", HERE / "greeted.py", vip.strip("[]"), 25, timeout=20).stdout
        assert re.fullmatch(rf"220 backend\d greets {CLIENTS[vip]} port \d+\n250 hello\n250 quit\n", talk), talk


@both_vips
def test_short_connections(each_way, vip):
    said = run("client", "ab", "-q", "-n", REQUESTS, "-c", 32, f"http://{vip}:81/", timeout=900).stdout
    assert re.search(rf"Complete requests:\s+{REQUESTS}\n", said), said
    assert re.search(r"Failed requests:\s+0\n", said) and "Non-2xx" not in said, said
