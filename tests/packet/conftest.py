"""What pytest finds here for every case."""
from harness.running import bench, pytest_collection_modifyitems, running  # noqa: F401
