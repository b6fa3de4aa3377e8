"""Backends that register as keys of a real etcd."""
import itertools
import ssl
import subprocess

import pytest

from programs import Etcd, Millraced, base64, wait_until

NUMBER = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    server.wait_ready()
    yield server
    server.kill()


@pytest.fixture
def prefix():
    """Of the test's own."""
    return f"/services/web{next(NUMBER)}/"


@pytest.fixture
def balancer(server, prefix, tmp_path):
    """With an endpoint in front of the real one that nobody answers at."""
    daemon = Millraced(tmp_path, 'kind = "etcd"\ntimeout = "3s"\n'
                       f'etcd_endpoints = ["http://127.0.0.1:1", "{server.url}"]\netcd_prefix = "{prefix}"')
    daemon.start()
    yield daemon
    daemon.stop()


def test_keys_come_change_and_go_with_their_leases(server, prefix, balancer):
    server.put(f"{prefix}a", "10.0.0.1:80 weight=3")
    server.put(f"{prefix}10.0.0.2:80", "")
    lease = server.ask("/lease/grant", TTL=600)["ID"]
    server.put(f"{prefix}c", '{"host": "10.0.0.3", "port": 80, "priority": 1}', lease=lease)
    server.put(f"{prefix[:-1]}x/d", "10.0.0.4:80")
    balancer.wait_for("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
    found = balancer.backends()
    assert found["10.0.0.1:80"]["weight"] == 3 and found["10.0.0.3:80"]["priority"] == 1
    server.put(f"{prefix}a", "10.0.0.9:80")
    balancer.wait_for("10.0.0.9:80", "10.0.0.2:80", "10.0.0.3:80")
    server.ask("/lease/revoke", ID=lease)
    balancer.wait_for("10.0.0.9:80", "10.0.0.2:80")
    server.delete(f"{prefix}10.0.0.2:80")
    balancer.wait_for("10.0.0.9:80")
    assert balancer.discovery()["failed"] == 0


def test_malformed_keys_are_left_out_by_name(server, prefix, balancer):
    server.put(f"{prefix}good", "10.0.0.1:80")
    for name, value in {"text": "\x00\n", "json": '{"host"', "loop": "127.0.0.1:80", "empty": "", "long": "x" * 20_000}.items():
        server.put(f"{prefix}{name}", value)
    balancer.wait_for("10.0.0.1:80")
    wait_until(lambda: all(f'{name}": ' in balancer.said() for name in ("text", "json", "loop", "empty", "long")),
               evidence=balancer.said)


def test_thousands_of_keys(server, prefix, balancer):
    balancer.wait_answering()
    puts = [{"requestPut": {"key": key, "value": value}} for key, value in
            ((base64(f"{prefix}{i:05}"), base64(f"10.1.{i // 250}.{i % 250 + 1}:80")) for i in range(4000))]
    for begin in range(0, 4000, 100):
        server.ask("/kv/txn", success=puts[begin:begin + 100])
    wait_until(lambda: balancer.discovery().get("found") == 4000, evidence=lambda: str(balancer.discovery()))
    server.delete(f"{prefix}01000")
    wait_until(lambda: balancer.discovery()["found"] == 3999)


def test_restart_of_a_registry_whose_history_is_compacted(server, prefix, balancer):
    """What happened meanwhile is gone from the history, and seen nevertheless."""
    server.put(f"{prefix}a", "10.0.0.1:80")
    balancer.wait_for("10.0.0.1:80")
    balancer.pause()
    for i in range(20):
        revision = server.put(f"{prefix}b", f"10.0.0.{i + 2}:80")["header"]["revision"]
    server.ask("/kv/compaction", revision=revision, physical=True)
    server.kill()
    balancer.go_on()
    balancer.wait_failing("Connection refused")
    assert "10.0.0.1:80" in balancer.backends()
    server.start()
    server.wait_ready()
    balancer.wait_for("10.0.0.1:80", "10.0.0.21:80")
    server.put(f"{prefix}c", "10.0.0.99:80")
    balancer.wait_for("10.0.0.1:80", "10.0.0.21:80", "10.0.0.99:80")


def test_server_that_is_silent_is_a_failure_and_the_set_stays(server, prefix, balancer):
    server.put(f"{prefix}a", "10.0.0.1:80")
    balancer.wait_for("10.0.0.1:80")
    server.pause()
    try:
        text = balancer.config.read_text()
        balancer.config.write_text(text + 'interval = "1s"\n')
        balancer.reload()
        balancer.wait_failing("no answer in time")
        balancer.wait_for("10.0.0.1:80")
    finally:
        server.go_on()
    balancer.wait_answering()


def test_client_certificates(prefix, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    folder = tmp_path / "etcd"
    folder.mkdir()
    # The gateway's own connection to etcd shows the server's certificate, whose common name etcd would take for a login.
    secure = Etcd(folder, "https", ["--cert-file", certificate, "--key-file", key, "--trusted-ca-file", certificate,
                                    "--client-cert-auth"])
    tls = ssl.create_default_context(cafile=certificate)
    tls.load_cert_chain(certificate, key)
    secure.start()
    try:
        secure.wait_ready(tls)
        secure.ask("/kv/put", tls=tls, key=base64(f"{prefix}a"), value=base64("10.0.0.1:80"))
        keys = f'kind = "etcd"\netcd_endpoints = "{secure.url}"\netcd_prefix = "{prefix}"\netcd_tls_cacert_path = "{certificate}"\n'
        daemon = Millraced(tmp_path, keys)
        daemon.start()
        daemon.wait_failing("https://127.0.0.1")
        daemon.write(keys + f'etcd_tls_cert_path = "{certificate}"\netcd_tls_key_path = "{key}"\n')
        daemon.reload()
        daemon.wait_for("10.0.0.1:80")
        daemon.stop()
    finally:
        secure.kill()


@pytest.fixture
def guarded(tmp_path):
    """An etcd that knows root, whose password is `secret`, and nobody else."""
    folder = tmp_path / "etcd"
    folder.mkdir()
    server = Etcd(folder)
    server.start()
    try:
        server.wait_ready()
        server.ask("/auth/user/add", name="root", password="secret")
        server.ask("/auth/user/grant", user="root", role="root")
        server.ask("/auth/enable")
        server.token = server.ask("/auth/authenticate", name="root", password="secret")["token"]
        yield server
    finally:
        server.kill()


def test_login(guarded, prefix, tmp_path):
    guarded.put(f"{prefix}a", "10.0.0.1:80", token=guarded.token)
    keys = f'kind = "etcd"\netcd_endpoints = "{guarded.url}"\netcd_prefix = "{prefix}"\n'
    daemon = Millraced(tmp_path, keys)
    daemon.start()
    daemon.wait_failing("user name is empty")
    daemon.write(keys + 'etcd_username = "root"\netcd_password = "wrong!"\n')
    daemon.reload()
    daemon.wait_failing("it refuses etcd_username and etcd_password")
    daemon.write(keys + 'etcd_username = "root"\netcd_password = "secret"\n')
    daemon.reload()
    daemon.wait_for("10.0.0.1:80")
    guarded.put(f"{prefix}b", "10.0.0.2:80", token=guarded.token)
    daemon.wait_for("10.0.0.1:80", "10.0.0.2:80")
    daemon.stop()
    assert "secret" not in daemon.said() and "wrong!" not in daemon.said()


def test_the_configuration_is_a_key(guarded, tmp_path, monkeypatch):
    daemon = Millraced(tmp_path, 'kind = "static"\nstatic_list = ["10.0.0.1:80"]\n')
    kept = f'[api]\nchanges_file = "{tmp_path}/changes"\nhistory_dir = "{tmp_path}/history"\n'
    text = daemon.config.read_text().replace("[api]\n", kept)
    daemon.config.unlink()
    guarded.put("/balancers/front", text, token=guarded.token)
    monkeypatch.setenv("ETCDCTL_USER", "root:secret")
    daemon.words = [daemon.words[0], "from-etcd", "127.0.0.1:1", f"127.0.0.1:{guarded.port}", "--key", "/balancers/front"]
    daemon.start()
    daemon.wait_for("10.0.0.1:80")
    guarded.put("/balancers/front", text.replace("10.0.0.1", "10.0.0.2"), token=guarded.token)
    daemon.reload()
    daemon.wait_for("10.0.0.2:80")
    daemon.stop()
    assert "secret" not in daemon.said()
    monkeypatch.setenv("ETCDCTL_USER", "root:wrong!")
    daemon.start()
    assert daemon.process.wait(20) == 1
    assert "it refuses ETCDCTL_USER" in daemon.said() and "wrong!" not in daemon.said()
