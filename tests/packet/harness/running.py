"""Fixtures of the packet tests and the TCP scripts. A case is a folder with case.py; it runs with the nearest config.toml
upwards. A script lb.sh beside that is run in the balancer's namespace first.

Daemons start once a configuration, not once a case: cases are ordered by configuration. After every case the counter
equation must hold for each worker, and drops must be exactly those that the case announced.
"""
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


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: str(config_of(item.path)))


class Running:
    """The one bench that is up; another configuration takes its place, and so does a dead one's successor."""

    def __init__(self):
        self.config = None
        self.bench = None

    def with_config(self, config):
        if self.config != config or not self.bench.balancer.alive():
            self.end()
            make_network()
            if (script := config.with_name("lb.sh")).exists():
                inside(LB, str(script))
            self.bench, self.config = Bench(Balancer(config), Wire(CLIENT), Wire(BACKEND)), config
            self.bench.start()
        return self.bench

    def end(self):
        bench, self.bench, self.config = self.bench, None, None
        if bench is None:
            return
        try:
            if bench.balancer.alive():  # a dead one has failed its case already
                bench.balancer.stop()
        finally:
            bench.balancer.kill_all()
            bench.client.close()
            bench.backend.close()
            remove_network()


@pytest.fixture(scope="session")
def running():
    state = Running()
    yield state
    state.end()


@pytest.fixture
def bench(running, request):
    bench = running.with_config(config_of(request.path))
    bench.begin_case()
    yield bench
    bench.end_case()
