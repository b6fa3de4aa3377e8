"""What pytest finds here for every case."""
from harness.running import (bench, pytest_collection_modifyitems, pytest_generate_tests,  # noqa: F401
                             running, workers)
