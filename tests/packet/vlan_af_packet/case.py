"""The cases of ports with tags by packet sockets, with two workers: the kernel takes the tag out of what it receives and
gives it to us beside the frame, and workers hand packets of each VLAN over."""
from vlan.case import *  # noqa: F403
