"""The tables of docs/performance.md: each is made of one file of results and returns lines of Markdown."""
from result_files import pick, pick_one
from targets import TARGETS

FLOWS = {1: "1", 1024: "1K", 65536: "64K", 1048576: "1M", 4194304: "4M"}
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
SYSTEMS = ("direct", "millrace", "haproxy", "nginx", "nftables")
# (measure, family, label, divisor, digits, more is better)
LAB_ROWS = [("requests", "ipv4", "requests/s, thousand", 1e3, 1, True),
            ("requests", "ipv6", "requests/s, IPv6, thousand", 1e3, 1, True),
            ("connections", "ipv4", "new connections/s, thousand", 1e3, 1, True),
            ("download", "ipv4", "download, Gbit/s", 1, 2, True), ("upload", "ipv4", "upload, Gbit/s", 1, 2, True),
            ("cpu_us_per_request", "ipv4", "CPU a request, µs", 1, 1, False),
            ("cpu_us_per_request", "ipv6", "CPU a request, IPv6, µs", 1, 1, False),
            ("cpu_us_per_connection", "ipv4", "CPU a connection, µs", 1, 1, False),
            ("p50_us", "ipv4", "latency p50, µs", 1, 0, False), ("p99_us", "ipv4", "latency p99, µs", 1, 0, False),
            ("p999_us", "ipv4", "latency p99.9, µs", 1, 0, False),
            ("cpu_us_per_paced_request", "ipv4", "CPU a request at that rate, µs", 1, 1, False)]


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(head, rows):
    return [row(*head), row(*["---"] * len(head)), *(row(*cells) for cells in rows)]


def machine(lab):
    rows = [("CPU", lab["cpu"]), ("cores", lab["cpus"]), ("kernel", lab["kernel"]),
            *lab["versions"].items(), ("commit", lab["commit"]),
            ("load average, 15 minutes", lab["load_average"]),
            ("run", f"{lab['rounds']} rounds, {lab['seconds']} s a load, latency at {lab['rate']:,} requests/s")]
    return table(("", ""), rows)


def lab_medians(lab):
    """Median, and the spread in brackets."""
    rows = []
    for measure, family, label, divisor, digits, _ in LAB_ROWS:
        found = [pick_one(lab, system=system, measure=measure, family=family) for system in SYSTEMS]
        if any(found):
            rows.append([label, *(f"{r['median'] / divisor:.{digits}f} ({r['spread']:.0%})" if r else "–" for r in found)])
    rows.append(["failed", *(f"{sum(r['failed'] or 0 for r in pick(lab, system=system)):,}" for system in SYSTEMS)])
    return table(("", *SYSTEMS), rows)


def lab_ratios(lab):
    """Where Millrace stands: the ratio to each of the others, medians of the ratios round by round where stored."""
    rows = []
    for measure, family, label, _, _, more in LAB_ROWS:
        ours = pick_one(lab, system="millrace", measure=measure, family=family)
        if ours is None:
            continue
        cells = [f"{ours['ratio_to'][other]:.2f}" if other in ours["ratio_to"] else "–"
                 for other in SYSTEMS if other != "millrace"]
        rows.append([label.split(", ")[0] + (", IPv6" if family == "ipv6" else ""), "more" if more else "less", *cells])
    return table(("Millrace by", "better", *(name for name in SYSTEMS if name != "millrace")), rows)


def verdict(worst, must, stretch):
    if must > stretch:
        return "stretch" if worst <= stretch else "met" if worst <= must else "missed"
    return "stretch" if worst >= stretch else "met" if worst >= must else "missed"


def span(values, digits):
    """Smallest to largest, or the one there is."""
    low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return low if low == high else f"{low}–{high}"


def target_row(target, label, results):
    """Of the modes and protocols that were measured the worst counts."""
    values = [result[target["field"]] for result in results]
    must, stretch = target["must"], target["stretch"]
    worst = max(values) if must > stretch else min(values)
    timed = target["field"].startswith("ns_")
    ratios = [result["ratio_to_macswap"] for result in results if timed and result.get("ratio_to_macswap")]
    return [label, must, stretch, span(values, target["digits"]),
            f"{max(r['spread'] for r in results):.0%}" if timed else "", span(ratios, 1) if ratios else "",
            verdict(worst, must, stretch), target["beside"]]


def targets(micro):
    """What the project promised beside what was measured."""
    rows = []
    for target in TARGETS:
        found = [r for r in pick(micro, **target["where"], options=None)
                 if r.get(target["field"]) is not None and r.get("mode") in ("nat", "fullnat")]
        smallest = min((r["frame_bytes"] or 0 for r in found), default=0)
        found = [r for r in found if (r["frame_bytes"] or 0) == smallest]
        if not found:
            rows.append([target["label"], target["must"], target["stretch"], "not measured", "", "", "", target["beside"]])
        elif target["field"] == "bytes_per_connection":
            # What does not grow with the connections counts least in the largest table.
            largest = max(r["flows"] for r in found)
            rows.append(target_row(target, target["label"], [r for r in found if r["flows"] == largest]))
        else:
            for flows in sorted({r["flows"] for r in found}):
                label = target["label"] + ("" if "flows" in target["where"] else f", {FLOWS.get(flows, flows)} flows")
                rows.append(target_row(target, label, [r for r in found if r["flows"] == flows]))
    return table(("", "must", "stretch", "measured", "spread", "× macswap", "", "beside it"), rows)


def micro_machine(micro):
    """With what tells how fast it was at that hour."""
    swap = [f", `macswap` {r['ns_per_packet']:.1f} ns" for r in pick(micro, name="macswap")[:1]]
    return [f"`scripts/dev bench` on {micro['cpu']}, {micro['cpus']} cores, no NIC{''.join(swap)}."]


def micro_all(micro):
    """Every result of the whole worker path."""
    rows = []
    for result in micro["results"]:
        if result["name"] not in ("established", "new", "life", "cookie_syn", "cookie_ack", "cookie_reject", "handover",
                                  "expiry", "swap", "macswap", "io"):
            continue
        proto = ", ".join(part for part in ((result.get("proto") or "").upper(), result.get("options")) if part)
        value = result.get("ns_per_packet") or result.get("ns_per_connection")
        rows.append([result["name"], result.get("mode") or "", proto,
                     FAMILIES.get(result.get("family"), ""), FLOWS.get(result.get("flows"), result.get("flows") or ""),
                     result.get("frame_bytes") or "", result.get("workers") or "",
                     f"{value:,.1f}" if value else "–", f"{result['spread']:.0%}",
                     f"{result['ratio_to_macswap']:.2f}" if result.get("ratio_to_macswap") else "–"])
    return table(("benchmark", "mode", "", "", "flows", "bytes", "workers", "ns", "spread", "× macswap"), rows)


# Name in the page: the file of results, and who makes it.
TABLES = {"machine": ("lab", machine), "lab": ("lab", lab_medians), "lab_ratios": ("lab", lab_ratios),
          "micro_machine": ("micro", micro_machine), "targets": ("micro", targets), "micro": ("micro", micro_all)}
