"""From the rounds of perf/lab to medians, spreads and ratios, as JSON and as a table."""
import statistics

UNITS = {"requests": "requests/s", "connections": "connections/s", "download": "Gbit/s", "upload": "Gbit/s",
         "p50_us": "us", "p99_us": "us", "p999_us": "us", "cpu_us_per_request": "us", "cpu_us_per_connection": "us",
         "cpu_us_per_paced_request": "us"}


class Rounds:
    """What was measured: (system, measure, family) to one value a round; rounds of all systems are the same."""

    def __init__(self):
        self.values = {}
        self.failed = {}

    def add(self, system, family, measured, failed):
        for measure, value in measured.items():
            self.values.setdefault((system, measure, family), []).append(value)
        for measure in list(measured)[:1]:
            self.failed[system, measure, family] = self.failed.get((system, measure, family), 0) + failed

    def results(self):
        return [self.result(*key) for key in self.values]

    def result(self, system, measure, family):
        values = self.values[system, measure, family]
        return {"system": system, "measure": measure, "family": family, "unit": UNITS[measure],
                "median": round(statistics.median(values), 3), "spread": round(spread(values), 4),
                "ratio_to": {other: self.ratio(values, others) for (other, *rest), others in self.values.items()
                             if rest == [measure, family] and other != system},
                "failed": self.failed.get((system, measure, family)), "values": [round(value, 3) for value in values]}

    @staticmethod
    def ratio(values, others):
        """Median of the ratios round by round: what one round met, both met."""
        return round(statistics.median(value / other for value, other in zip(values, others)), 4)


def spread(values):
    """Interquartile range by the median, as perf/micro has it."""
    if len(values) < 2:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return (third - first) / statistics.median(values)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def table(results):
    """A line a measure, a column a system: the median and its ratio to direct."""
    systems = list(dict.fromkeys(result["system"] for result in results))
    cell = {(r["measure"], r["family"], r["system"]): r for r in results}
    lines = [f"{'':40}" + "".join(f"{system:>16}" for system in systems)]
    for measure, family in dict.fromkeys((r["measure"], r["family"]) for r in results):
        line = f"{measure + ' ' + family + ', ' + UNITS[measure]:40}"
        for system in systems:
            result = cell[measure, family, system]
            ratio = result["ratio_to"].get("direct")
            line += f"{number(result['median']) + (f' {ratio:5.2f}x' if ratio is not None else ''):>16}"
        lines.append(line)
    failed = {system: sum(r["failed"] or 0 for r in results if r["system"] == system) for system in systems}
    lines.append(f"{'failed':40}" + "".join(f"{failed[system]:>16,}" for system in systems))
    return "\n".join(lines)
