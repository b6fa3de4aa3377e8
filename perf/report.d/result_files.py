"""The stored results of the benchmarks, perf/results/*.json, for perf/plot and perf/table."""
import json
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
RESULTS = TOP / "perf/results"
PAGE = TOP / "docs/performance.md"
PLOTS = TOP / "docs/performance"


class ResultError(Exception):
    """One sentence for the operator."""


def load(name):
    """What a benchmark wrote, or None where no run of it is stored."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    try:
        loaded = json.loads(path.read_text())
        loaded["results"]
    except (ValueError, KeyError, TypeError) as error:
        raise ResultError(f"{path.relative_to(TOP)} is no result of a benchmark ({error}); measure again") from None
    return loaded


def pick(loaded, **wanted):
    """Results whose fields have these values."""
    return [result for result in loaded["results"] if all(result.get(key) == value for key, value in wanted.items())]


def pick_one(loaded, **wanted):
    found = pick(loaded, **wanted)
    return found[0] if found else None
