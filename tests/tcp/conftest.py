"""Fixtures of the TCP scripts: those of the packet tests, and `script`, which makes one and ends it with silence."""
import pytest

from harness.flow import FAMILIES
from harness.running import bench, pytest_collection_modifyitems, running  # noqa: F401
from script.play import Script


def pytest_generate_tests(metafunc):
    """Every script plays both families."""
    if "family" in metafunc.fixturenames:
        metafunc.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture
def script(bench, family):
    made = []

    def make(port, **options):
        made.append(Script(bench, family, port, **options))
        return made[-1]

    yield make
    for one in made:
        one.expect_silence(60 if one is made[0] else 0)
