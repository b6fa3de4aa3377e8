"""Backends that register as ephemeral nodes of a real ZooKeeper."""
import itertools
import json
import logging

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.security import make_digest_acl

from programs import Millraced, ZooKeeper, wait_until

NUMBER = itertools.count()
logging.getLogger("kazoo").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = ZooKeeper(tmp_path_factory.mktemp("zookeeper"))
    server.start()
    yield server
    server.kill()


def session(server):
    client = KazooClient(f"127.0.0.1:{server.port}", timeout=4)
    client.start(timeout=30)
    return client


@pytest.fixture
def writer(server):
    client = session(server)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def path(writer):
    """A node of the test's own."""
    node = f"/services/web{next(NUMBER)}"
    writer.ensure_path(node)
    return node


@pytest.fixture
def balancer(server, path, tmp_path):
    """With a server in front of the real one that nobody answers at."""
    daemon = Millraced(tmp_path, 'kind = "zookeeper"\ntimeout = "3s"\n'
                       f'zookeeper_servers = ["127.0.0.1:1", "localhost:{server.port}"]\nzookeeper_path = "{path}"')
    daemon.start()
    yield daemon
    daemon.stop()


def test_nodes_come_change_and_go_with_their_sessions(server, writer, path, balancer):
    writer.create(f"{path}/a", b"10.0.0.1:80 weight=3", ephemeral=True)
    writer.create(f"{path}/b", b'{"host": "10.0.0.2", "port": 80, "priority": 1}', ephemeral=True)
    writer.create(f"{path}/10.0.0.3:80", b"", ephemeral=True)
    backend = session(server)
    backend.create(f"{path}/c", b'{"serviceEndpoint": {"host": "fd72::4", "port": 80}, "status": "ALIVE"}', ephemeral=True)
    balancer.wait_for("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
    found = balancer.backends()
    assert found["10.0.0.1:80"]["weight"] == 3 and found["10.0.0.2:80"]["priority"] == 1
    assert "[fd72::4]:80 needs an IPv6 address" in balancer.said(), "read, and not for this service"
    writer.set(f"{path}/a", b"10.0.0.9:80")
    balancer.wait_for("10.0.0.9:80", "10.0.0.2:80", "10.0.0.3:80")
    writer.delete(f"{path}/10.0.0.3:80")
    balancer.wait_for("10.0.0.9:80", "10.0.0.2:80")
    backend.set(f"{path}/c", b"10.0.0.4:80")
    balancer.wait_for("10.0.0.9:80", "10.0.0.2:80", "10.0.0.4:80")
    backend.stop()
    balancer.wait_for("10.0.0.9:80", "10.0.0.2:80")
    assert balancer.discovery()["failed"] == 0


def test_node_that_is_not_there_is_a_failure_until_it_comes(writer, path, balancer):
    writer.create(f"{path}/a", b"10.0.0.1:80")
    balancer.wait_for("10.0.0.1:80")
    writer.delete(path, recursive=True)
    balancer.wait_failing(f"{path}: it is not there")
    writer.create(path)
    writer.create(f"{path}/b", b"10.0.0.2:80")
    balancer.wait_for("10.0.0.2:80")
    wait_until(lambda: not balancer.discovery()["failing"])


def test_malformed_nodes_are_left_out_by_name(writer, path, balancer):
    writer.create(f"{path}/good", b"10.0.0.1:80")
    for name, data in {"long": b"x" * 20_000, "text": b"\xff\x00\nno", "json": b'{"host": "10.0.0.2"', "loop": b"127.0.0.1:80",
                       "list": b"[]", "empty": b"", "off": b'{"address": "10.0.0.5", "port": 80, "enabled": false}'}.items():
        writer.create(f"{path}/{name}", data)
    balancer.wait_for("10.0.0.1:80")
    wait_until(lambda: all(f'"{name}": ' in balancer.said() for name in ("long", "text", "json", "loop", "list", "empty")),
               evidence=balancer.said)
    assert '"off"' not in balancer.said(), "it does not want to serve: nothing is wrong with it"


def test_nodes_that_may_not_be_read(server, writer, path, balancer):
    writer.create(f"{path}/a", b"10.0.0.1:80")
    balancer.wait_for("10.0.0.1:80")
    writer.set_acls(path, [make_digest_acl("joe", "secret", all=True)])
    keys = balancer.config.read_text()
    balancer.stop()
    balancer.start()
    balancer.wait_failing("its ACL does not let us read it")
    balancer.stop()
    balancer.config.write_text(keys + 'zookeeper_auth = "joe:secret"\n')
    balancer.start()
    balancer.wait_for("10.0.0.1:80")
    assert "secret" not in balancer.said()


def test_thousands_of_nodes(writer, path, balancer):
    balancer.wait_answering()
    for begin in range(0, 4000, 500):
        transaction = writer.transaction()
        for i in range(begin, begin + 500):
            transaction.create(f"{path}/{i:05}", f"10.1.{i // 250}.{i % 250 + 1}:80".encode())
        transaction.commit()
    wait_until(lambda: balancer.discovery().get("found") == 4000, evidence=lambda: str(balancer.discovery()))
    writer.delete(f"{path}/01000")
    writer.set(f"{path}/01001", b"10.2.0.1:80")
    wait_until(lambda: "10.2.0.1:80" in balancer.backends() and balancer.discovery()["found"] == 3999)


def test_flapping_node_makes_a_bounded_number_of_questions(writer, path, balancer):
    balancer.wait_answering()
    before = balancer.discovery()["asked"]
    for _ in range(300):
        writer.create(f"{path}/a", b"10.0.0.1:80")
        writer.delete(f"{path}/a")
    writer.create(f"{path}/z", b"10.0.0.2:80")
    balancer.wait_for("10.0.0.2:80")
    assert 0 < balancer.discovery()["asked"] - before < 100
    with pytest.raises(NoNodeError):
        writer.get(f"{path}/a")


# The last ones: they stop the server that all share.

def test_server_that_is_silent_is_left_and_the_set_stays(server, writer, path, balancer):
    writer.create(f"{path}/a", b"10.0.0.1:80")
    balancer.wait_for("10.0.0.1:80")
    server.pause()
    try:
        balancer.wait_failing(f"localhost:{server.port}: no answer in time")
        balancer.wait_for("10.0.0.1:80")
    finally:
        server.go_on()
    balancer.wait_answering()


def test_restart_of_the_registry(server, writer, path, balancer):
    writer.create(f"{path}/a", b"10.0.0.1:80")
    balancer.wait_for("10.0.0.1:80")
    server.kill()
    balancer.wait_failing("Connection refused")
    balancer.wait_for("10.0.0.1:80")
    server.start()
    balancer.wait_answering()
    again = session(server)
    again.create(f"{path}/b", b"10.0.0.2:80")
    balancer.wait_for("10.0.0.1:80", "10.0.0.2:80")
    again.stop()
    assert json.dumps(balancer.discovery()["failed"]) != "0"
