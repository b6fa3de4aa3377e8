"""CPU time that the lab took: of every process in its namespaces, of the client's, and of the kernel's softirq threads.

Of processes and not of the machine, so that what else runs on it does not count. What the kernel does in softirqs
counts for the process that it interrupted, which is on a veth nearly always the sender. Softirqs of an idle CPU are
missing; here they are timers only.
"""
import os
import resource
from pathlib import Path


def softirq_pids():
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/comm")
            if read(path).startswith("ksoftirqd/")]


def read(path):
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it ended meanwhile


def process_seconds(pid):
    """All threads: /proc/PID/task/TID/schedstat begins with nanoseconds on a CPU."""
    return sum(int((read(Path(f"/proc/{pid}/task/{tid}/schedstat")) or "0").split()[0]) for tid in task_ids(pid)) / 1e9


def task_ids(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return []


def children_seconds():
    """Of the clients, which have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class CpuTime:
    """with CpuTime(network) as cpu: …        then cpu.seconds"""

    def __init__(self, network):
        self.network, self.seconds = network, 0.0

    def __enter__(self):
        self.pids = self.network.pids() + softirq_pids()
        self.before = [process_seconds(pid) for pid in self.pids]
        self.children_before = children_seconds()
        return self

    def __exit__(self, *_):
        # One that ended meanwhile reads 0: nothing may count backwards.
        self.seconds = sum(max(process_seconds(pid) - before, 0.0) for pid, before in zip(self.pids, self.before))
        self.seconds += children_seconds() - self.children_before
