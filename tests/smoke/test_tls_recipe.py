"""docs/tls.md as it stands: TLS passed on by server name, and ended by HAProxy, which learns who the client is."""
import re
import shutil
import subprocess

import pytest

from lab import NAME, TOP, VIP4, VIP6, Daemons, command, run, wait_for

PAGE = (TOP / "docs/tls.md").read_text()
CLIENTS = {VIP4: "203.0.113.2", VIP6: "2001:db8:10::2"}
OWN_HOST = "tls"  # the namespace of the page, beside the lab's own
PASSED, ENDED, ENDED_HERE = 443, 444, 445  # one address for all of the page's services
PASSED_AT = 9443  # the lab's nginx has the backends' 443
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
SERVERS = {"www.example.com": "backend1", "shop.example.com": "backend2"}

BASE = """
[dataplane]
workers = "0"
idle = "adaptive"
connections = 16_384
segment = "/dev/shm/millrace-{name}.segment"
[[dataplane.port]]
name = "front"
device = "af_xdp:front"
[[dataplane.port]]
name = "back"
device = "af_xdp:back"
[api]
socket = "{dir}/millrace.sock"
[snat.lan]
addresses = ["10.72.0.10-10.72.0.13", "fd72::10-fd72::13"]
"""
# A TLS server of its own name, without PROXY headers: what passes through ends here.
NAMED = """
frontend named
    bind :::{port} v4v6 ssl crt {pem}
    http-request return status 200 content-type text/plain string "{role}\\n"
"""

both_vips = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["v4", "v6"])


def block(language, holding):
    """The block of the page that has these words."""
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
    found = [text for kind, text in blocks if kind == language and holding in text]
    assert len(found) == 1, f"{language} with {holding}: {len(found)} blocks"
    return found[0]


def at_port(text, port):
    return text.replace("203.0.113.10:443", f"{VIP4}:{port}").replace("[2001:db8:10::10]:443", f"{VIP6}:{port}")


class Authority:
    """A CA of its own, and certificates with their keys in one file, as HAProxy takes them."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.openssl("req", "-x509", *KEY, "-days", "2", "-subj", "/CN=recipe CA", "-keyout", folder / "ca.key", "-out",
                     self.ca)

    def openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def certify(self, host):
        key, request, certificate = (self.folder / f"{host}.{end}" for end in ("key", "csr", "crt"))
        extension = self.folder / f"{host}.ext"
        extension.write_text(f"subjectAltName=DNS:{host}\n")
        self.openssl("req", *KEY, "-subj", f"/CN={host}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
                     "-days", "2", "-extfile", extension, "-out", certificate)
        pem = self.folder / f"{host}.pem"
        pem.write_text(certificate.read_text() + key.read_text())
        return pem


class Terminators:
    """HAProxy, with the configuration of the page, in namespaces of the lab."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []

    def start(self, role, pem, more=""):
        text = block("haproxy", "accept-proxy").replace("/etc/haproxy/certificate.pem", str(pem)) + more
        path = self.folder / f"{role}.cfg"
        path.write_text(text)
        checked = subprocess.run(["haproxy", "-c", "-f", path], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        self.processes.append(subprocess.Popen(command(role, "haproxy", "-db", "-f", path), stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for(lambda: ":8443 " in run(role, "ss", "-ltn").stdout)

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="module")
def own_host(network):
    """The namespace that the page makes on the balancer's host, by the commands of the page."""
    first, *others = block("sh", "ip netns add tls").replace("netns tls", f"netns {NAME}-{OWN_HOST}").replace(
        "exec tls", f"exec {NAME}-{OWN_HOST}").splitlines()
    assert first == "ip netns add tls" and "haproxy" in others.pop()
    # From within another namespace none can be made.
    subprocess.run(["ip", "netns", "add", f"{NAME}-{OWN_HOST}"], check=True)
    run("lb", "sh", "-e", "-c", "\n".join(others))
    run("lb", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    yield OWN_HOST
    run("lb", "sysctl", "-qw", "net.ipv4.ip_forward=0")
    run("lb", "ip", "link", "delete", "tls0", check=False)
    subprocess.run(["ip", "netns", "delete", f"{NAME}-{OWN_HOST}"], check=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    if shutil.which("haproxy") is None:
        pytest.fail("haproxy is missing: scripts/install-packages test")
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def recipe(own_host, authority):
    """HAProxy in two backends and on the balancer's own host, and the daemons with the services of the page."""
    terminators = Terminators(authority.folder)
    ending = authority.certify("ended.example.com")
    for host, role in SERVERS.items():
        terminators.start(role, ending, NAMED.format(port=PASSED_AT, pem=authority.certify(host), role=role))
    terminators.start(own_host, ending)
    passed = at_port(block("toml", "[servers.passthrough]"), PASSED)
    for backend in ("10.72.1.1", "10.72.1.2", "[fd72::21]", "[fd72::22]"):
        passed = passed.replace(f"{backend}:443", f"{backend}:{PASSED_AT}")
    ended = block("toml", "[servers.terminated]")
    here = re.sub(r"static_list = .*", 'static_list = ["10.99.0.2:8443"]', ended)
    here = at_port(here.replace("servers.terminated", "servers.here"), ENDED_HERE)
    here = here.replace(f', "{VIP6}:{ENDED_HERE}"', "")  # the page's namespace has no IPv6
    config = authority.folder / "millrace.toml"
    daemons = Daemons("--config", config)
    config.write_text(BASE.format(name=NAME, dir=daemons.run_dir) + block("toml", "af_xdp:tls0") + passed +
                      at_port(ended, ENDED) + here)
    daemons.start()
    yield daemons
    daemons.stop()
    terminators.stop()


def curl(authority, vip, port, host):
    """By curl, which believes the test's CA alone: header and body on stdout, what the certificate says on stderr."""
    return run("client", "curl", "-sv", "--max-time", "10", "--cacert", authority.ca, "--connect-to",
               f"{host}:443:{vip}:{port}", "-D", "-", f"https://{host}/", check=False)


@both_vips
def test_haproxy_ends_tls_and_its_server_learns_the_client(recipe, authority, vip):
    done = curl(authority, vip, ENDED, "ended.example.com")
    assert done.returncode == 0, done.stderr + recipe.evidence()
    assert "subject: CN=ended.example.com" in done.stderr and "issuer: CN=recipe CA" in done.stderr
    assert re.search(r"(?i)^x-client: (\S+)", done.stdout, re.MULTILINE).group(1) == CLIENTS[vip]
    assert done.stdout.endswith("backend3\n")


def test_haproxy_on_the_balancers_own_host(recipe, authority):
    done = curl(authority, VIP4, ENDED_HERE, "ended.example.com")
    assert done.returncode == 0, done.stderr + recipe.evidence()
    assert "subject: CN=ended.example.com" in done.stderr
    assert re.search(r"(?i)^x-client: (\S+)", done.stdout, re.MULTILINE).group(1) == CLIENTS[VIP4]


@both_vips
@pytest.mark.parametrize("host", SERVERS)
def test_names_lead_to_the_servers_that_have_their_certificates(recipe, authority, vip, host):
    done = curl(authority, vip, PASSED, host)
    assert done.returncode == 0, done.stderr + recipe.evidence()
    assert f"subject: CN={host}" in done.stderr
    assert done.stdout.endswith(f"{SERVERS[host]}\n")


@both_vips
def test_a_name_that_nobody_has_is_refused(recipe, authority, vip):
    assert curl(authority, vip, PASSED, "other.example.com").returncode == 35, "not reset in the handshake"
