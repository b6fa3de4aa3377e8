"""What stops a start: one sentence each, on stderr, with what mends it; nothing is left behind."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import BUILD, CONTROL, DATAPLANE, SANITIZERS, TOP, VIP4, Daemons, command, run, wait_for

NR_HUGEPAGES = Path("/proc/sys/vm/nr_hugepages")
BAD_CONFIGS = sorted((TOP / "tests/config/bad").glob("*.toml"))
NOBODY = "65534"


@pytest.fixture(scope="module")
def config(network, tmp_path_factory):
    """A good configuration of its own segment and socket, on interfaces that nobody uses."""
    folder = tmp_path_factory.mktemp("start")
    folder.chmod(0o755)
    run("lb", "ip", "link", "add", "spare", "type", "veth", "peer", "name", "spare2")
    run("lb", "ip", "link", "set", "spare", "up")
    run("lb", "ip", "link", "set", "spare2", "up")
    text = (TOP / "tests/smoke/start.toml.in").read_text().replace("@DIR@", str(folder))
    path = folder / "millrace.toml"
    path.write_text(text)
    yield path
    run("lb", "ip", "link", "delete", "spare")


def refused(*words):
    """Runs a program that must not start; returns what it said."""
    done = subprocess.run(command("lb", *words), text=True, capture_output=True, timeout=30, stdin=subprocess.DEVNULL,
                          env=os.environ | SANITIZERS)
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -6, -11, 134, 139), f"exit {done.returncode}: {said}"
    assert "Sanitizer" not in said and "terminate called" not in said, said
    return said


def assert_one_sentence(said, *parts):
    """One error line, in which each part stands."""
    errors = [line for line in said.splitlines() if " error " in line or line.startswith("millrace")]
    assert len(errors) == 1, said
    for part in parts:
        assert re.search(part, errors[0]), f"no {part!r} in: {said}"


def changed(config, old, new):
    text = config.read_text()
    assert old in text
    path = config.with_name("changed.toml")
    path.write_text(text.replace(old, new))
    return path


def test_no_hugepages(config):
    before = NR_HUGEPAGES.read_text()
    NR_HUGEPAGES.write_text("0\n")
    try:
        said = refused(DATAPLANE, "--config", config)
    finally:
        NR_HUGEPAGES.write_text(before)
    assert_one_sentence(said, "huge pages", r"sysctl -w vm\.nr_hugepages=\d+")


def test_not_root(config, tmp_path):
    # The build folder may lie where nobody else may look.
    tmp_path.chmod(0o755)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    program = shutil.copy(DATAPLANE, tmp_path / "millrace-dataplane")
    said = refused("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program, "--config", config)
    assert_one_sentence(said, "root", "sudo")


def test_interface_missing(config):
    said = refused(DATAPLANE, "--config", changed(config, "af_xdp:spare", "af_xdp:nosuch0"))
    assert_one_sentence(said, "nosuch0", "does not exist", "ip link")


def test_interface_down(config):
    run("lb", "ip", "link", "set", "spare", "down")
    try:
        said = refused(DATAPLANE, "--config", config)
    finally:
        run("lb", "ip", "link", "set", "spare", "up")
    assert_one_sentence(said, "spare", "down", "ip link set dev spare up")


def test_foreign_xdp_program(config, tmp_path):
    source = tmp_path / "pass.c"
    source.write_text('__attribute__((section("xdp"))) int pass_all(void *frame) { return 2; }\n'
                      'char terms[] __attribute__((section("license"))) = "GPL";\n')
    subprocess.run(["clang-14", "-O2", "-g", "-target", "bpf", "-c", source, "-o", tmp_path / "pass.o"], check=True)
    run("lb", "ip", "link", "set", "dev", "spare", "xdp", "obj", tmp_path / "pass.o", "sec", "xdp")
    try:
        said = refused(DATAPLANE, "--config", config)
        assert "xdp" in run("lb", "ip", "link", "show", "spare").stdout  # it is not ours to take off
    finally:
        run("lb", "ip", "link", "set", "dev", "spare", "xdp", "off")
    assert_one_sentence(said, "spare", "XDP program", r"ip link set dev spare xdp\w* off")


def test_second_of_each(network):
    """Both stay out of the way of those that run, which do not notice."""
    daemons = Daemons()
    daemons.start()
    try:
        pid = daemons.pid("millrace-dataplane")
        said = refused(DATAPLANE, "--config", daemons.config)
        assert_one_sentence(said, "another millrace-dataplane", str(pid))
        said = refused(CONTROL, "--config", daemons.config)
        assert_one_sentence(said, "another millraced")
        assert run("client", "curl", "-sf", "--max-time", "5", f"http://{VIP4}/").stdout.startswith("backend")
    finally:
        daemons.stop()


def test_nothing_left_behind(config):
    """After all these refusals the good configuration starts."""
    with subprocess.Popen(command("lb", DATAPLANE, "--config", config), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env=os.environ | SANITIZERS) as started:
        try:
            wait_for(lambda: config.with_name("segment").exists())
            assert started.poll() is None
        finally:
            started.terminate()
        assert started.wait(20) == 0


def test_build_without_clang(tmp_path):
    """The XDP program needs it: the configuration of the build says so, with the package's name."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for path in Path(folder).iterdir():
            if "clang" not in path.name and not (programs / path.name).exists():
                (programs / path.name).symlink_to(path)
    done = subprocess.run(["/usr/bin/meson", "setup", tmp_path / "build", TOP], text=True, capture_output=True,
                          env=os.environ | {"PATH": str(programs)})
    assert done.returncode != 0
    assert "clang" in done.stdout and re.search(r"apt(-get)? install|scripts/install-packages", done.stdout), done.stdout


def test_corpus_of_broken_configurations():
    assert len(BAD_CONFIGS) >= 20


@pytest.mark.parametrize("path", BAD_CONFIGS, ids=lambda path: path.stem)
def test_broken_configuration(network, path):
    """millctl check and both daemons refuse it alike: place, key, and what would be right, in brackets or below."""
    for words in ((BUILD / "controlplane/millctl", "check", path), (CONTROL, "--config", path),
                  (DATAPLANE, "--config", path)):
        said = refused(*words)
        assert re.search(rf"{re.escape(str(path))}(:\d+:\d+)?: .+(\(.+\)|\n +\S)", said), said
