"""From the repeats of perf/memif to medians, spreads and ratios, as JSON and as a table."""
import statistics

UNITS = {"max_rate": "Mpps", "p50": "us", "p99.9": "us", "connections": "connections/s"}


class Repeats:
    """What was measured: (far end, measure, flows) to one value a repeat."""

    def __init__(self):
        self.values = {}
        self.notes = {}

    def add(self, far_end, measure, flows, value, note=None):
        self.values.setdefault((far_end, measure, flows), []).append(value)
        if note:
            self.notes.setdefault((far_end, measure, flows), set()).add(note)

    def median(self, *key):
        return statistics.median(self.values[key])

    def results(self):
        return [self.result(*key) for key in self.values]

    def result(self, far_end, measure, flows):
        values = self.values[far_end, measure, flows]
        beside = self.values.get(("testpmd", measure, flows))
        return {"far_end": far_end, "measure": measure, "unit": UNITS[measure], "flows": flows,
                "median": round(statistics.median(values), 4), "spread": round(spread(values), 4),
                "ratio_to_testpmd": ratio(values, beside), "values": [round(value, 4) for value in values],
                "notes": sorted(self.notes.get((far_end, measure, flows), []))}


def ratio(values, beside):
    """Median of the ratios repeat by repeat: what one met, both met."""
    if not beside:
        return None
    return round(statistics.median(value / other for value, other in zip(values, beside) if other), 4)


def spread(values):
    """Interquartile range by the median, as perf/micro has it."""
    if len(values) < 2 or statistics.median(values) == 0:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return (third - first) / statistics.median(values)


def table(results):
    lines = [f"{'far end':10} {'measure':12} {'flows':>8} {'median':>12} {'spread':>8}  x testpmd"]
    for result in results:
        times = "-" if result["ratio_to_testpmd"] is None else f"{result['ratio_to_testpmd']:.2f}"
        unit = result["unit"]
        median = f"{result['median']:,.0f}/s" if unit == "connections/s" else f"{result['median']:.2f} {unit}"
        lines.append(f"{result['far_end']:10} {result['measure']:12} {result['flows'] or '':>8} {median:>12} "
                     f"{result['spread']:>7.0%}  {times:>9}  {'; '.join(result['notes'])}".rstrip())
    return "\n".join(lines)
