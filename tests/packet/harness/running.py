"""Fixtures of the packet tests and the TCP scripts. A case is a folder with case.py; it runs with the nearest config.toml
upwards. A script lb.sh beside that is run in the balancer's namespace first.

With WORKERS = (1, 2, 4) in case.py each test runs with so many workers: the one that config.toml names, two that packets
come to at random, four that RSS brings them to. With CARDS = False beside it no card stands before the ports: what comes
by a port comes to one worker, which hands over what is not its own; the third and fourth have no port.

Daemons start once a configuration, not once a case: cases are ordered by configuration. After every case the counter
equation must hold for each worker, and drops must be exactly those that the case announced.
"""
import re
from pathlib import Path

import pytest

from harness.balancer import Balancer
from harness.bench import Bench
from harness.network import BACKEND, CLIENT, LB, inside, make_network, remove_network
from harness.wire import Wire


def config_of(case_file):
    folder = Path(case_file).resolve().parent
    while not (folder / "config.toml").exists():
        folder = folder.parent
    return folder / "config.toml"


def pytest_generate_tests(metafunc):
    counts = getattr(metafunc.module, "WORKERS", ())
    if "workers" in metafunc.fixturenames and counts:
        metafunc.parametrize("workers", counts, ids=lambda count: f"{count}workers")


def has_cards(module, workers):
    return workers > 1 and getattr(module, "CARDS", True)


def setup_of(item):
    params = item.callspec.params if hasattr(item, "callspec") else {}
    workers = params.get("workers", 1)
    return str(config_of(item.path)), workers, has_cards(item.module, workers)


def pytest_collection_modifyitems(items):
    items.sort(key=setup_of)


STEERING = {2: "random", 4: "rss"}


def with_workers(text, count, cards):
    """The configuration of one worker, for that many. Without cards queues are dealt to workers in turn, one a port."""
    if count == 1:
        return text
    text, places = re.subn(r'workers = "0"', f"workers = {[0, 1, 0, 1][:count]}", text)
    assert places == 1
    if not cards:
        return text
    text, ports = re.subn(r'device = "\w+:(\w+)"',
                          rf'device = "emulated_nic:{STEERING[count]},af_packet:\1"\nqueues = {count}', text)
    assert ports > 0
    return text


class Running:
    """The one bench that is up; another configuration takes its place, and so does a dead one's successor."""

    def __init__(self):
        self.setup = None
        self.bench = None

    def with_config(self, config, workers=1, cards=False):
        setup = (config, workers, cards)
        if self.setup != setup or not self.bench.balancer.alive():
            self.end()
            make_network()
            if (script := config.with_name("lb.sh")).exists():
                inside(LB, str(script))
            balancer = Balancer(with_workers(config.read_text(), workers, cards))
            self.bench, self.setup = Bench(balancer, Wire(CLIENT), Wire(BACKEND)), setup
            self.bench.start()
        return self.bench

    def end(self):
        bench, self.bench, self.setup = self.bench, None, None
        if bench is None:
            return
        try:
            if bench.balancer.alive():  # a dead one has failed its case already
                bench.balancer.stop()
        finally:
            bench.balancer.kill_all()
            for close in bench.at_end:
                close()
            bench.client.close()
            bench.backend.close()
            remove_network()


@pytest.fixture(scope="session")
def running():
    state = Running()
    yield state
    state.end()


@pytest.fixture
def workers():
    return 1


@pytest.fixture
def bench(running, request, workers):
    bench = running.with_config(config_of(request.path), workers, has_cards(request.module, workers))
    bench.begin_case()
    yield bench
    bench.end_case()
