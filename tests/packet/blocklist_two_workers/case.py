"""The same rules where workers alone enforce them."""
from blocklist.case import *  # noqa: F403
