"""Fixtures of the TCP scripts: those of the packet tests, and `script`, which makes one and ends it with silence."""
import pytest

from harness.flow import FAMILIES
from harness.running import bench, pytest_collection_modifyitems, running, workers  # noqa: F401
from script.ends import wait_ms
from script.play import QUIET_MS, Script


def pytest_generate_tests(metafunc):
    """Every script plays both families."""
    if "family" in metafunc.fixturenames:
        metafunc.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when == "call":
        item.went_well = report.passed


@pytest.fixture
def script(bench, family, request):
    made = []

    def make(port, **options):
        made.append(Script(bench, family, port, **options))
        return made[-1]

    yield make
    if getattr(request.node, "went_well", False):  # not set when the setup failed
        for one in made:
            one.expect_silence(QUIET_MS if one is made[0] else 0)
    else:
        for one in made:
            one.leave()
        wait_ms(QUIET_MS)
