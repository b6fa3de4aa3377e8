"""Waiting on a machine that may stand still for seconds: what it did not do meanwhile, it gets another chance to do."""
import time

ATTEMPTS_MIN = 20


def attempts(seconds, every=0.05):
    """One turn after each pause, until the time is over and a few were taken."""
    deadline = time.monotonic() + seconds
    taken = 0
    while taken < ATTEMPTS_MIN or time.monotonic() < deadline:
        yield
        taken += 1
        time.sleep(every)


def comes_true(happened, seconds, every=0.05):
    return any(happened() for _ in attempts(seconds, every))
