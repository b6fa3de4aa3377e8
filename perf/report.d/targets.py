"""What one worker core may cost: 64 B, whole worker path, in-memory I/O; ns a packet or a connection. Modes nat and
fullnat, frames without TCP options: what proxy promises is one cache line a packet more, which is no figure of time
(tests/unit/stages/cache_lines_test.cpp).

`beside` are other projects' figures: see docs/performance.md for where they come from. `digits` after the point.
"""


def established(family, flows, must, stretch, beside):
    label = {1024: "1K", 65536: "64K", 1048576: "1M", 4194304: "4M"}[flows]
    return {"label": f"established, {'IPv6, ' if family == 'ipv6' else ''}{label} flows", "field": "ns_per_packet",
            "where": {"name": "established", "family": family, "flows": flows, "workers": 1}, "digits": 1,
            "must": must, "stretch": stretch, "beside": beside}


def connection(name, label, family, field, must, stretch, beside):
    return {"label": label, "where": {"name": name, "family": family, "workers": 1}, "field": field, "digits": 0,
            "must": must, "stretch": stretch, "beside": beside}


TARGETS = [
    established("ipv4", 1024, 40, 30, "VPP nat44-ed 37 + I/O, DPVS 117, Katran 114–123"),
    established("ipv4", 65536, 50, 34, "VPP nat44-ed 85–123 + I/O, Katran 180–254"),
    established("ipv4", 1048576, 70, 42, "VPP nat44-ed 254–263 + I/O, Katran 307, DPVS 505 at 250K"),
    established("ipv4", 4194304, 85, 50, ""),
    established("ipv6", 1024, 50, 36, ""),
    established("ipv6", 1048576, 95, 60, ""),
    connection("new", "new connection", "ipv4", "ns_per_connection", 350, 200,
               "VPP 1,080–1,300, DPVS about 1,000, Katran 590–780"),
    connection("life", "a connection's life, SYN to FIN", "ipv4", "ns_per_connection", 1000, 700,
               "DPVS publishes 5,000 at 2.2 GHz"),
    connection("new", "bytes a connection, IPv4", "ipv4", "bytes_per_connection", 256, 192, "DPVS 704 and tables"),
    connection("new", "bytes a connection, IPv6", "ipv6", "bytes_per_connection", 320, 256, ""),
    {"label": "two workers, times one", "where": {"name": "established", "workers": 2}, "field": "scaling", "digits": 2,
     "must": 1.9, "stretch": 1.97, "beside": ""},
]
