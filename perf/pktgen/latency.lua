-- latency.lua: a probe every millisecond beside established flows; minimum, mean and maximum of what they took. Pktgen
-- keeps no histogram: for p99.9 there is perf/traffic. Probes are datagrams to UDP port 1028.
local flows = require("flows")
flows.set("udp")
local port = flows.send
pktgen.set_mac(port, "dst", flows.mac)
pktgen.set_ipaddr(port, "src", "198.18.0.1/15")
pktgen.set_ipaddr(port, "dst", "203.0.113.10")
pktgen.set_proto(port, "udp")
pktgen.set(port, "sport", 1000)
flows.trial(0.1, 1)
pktgen.latency(port, "rate", 1000)
pktgen.latency(port, "entropy", 1)
pktgen.latency(port, "enable")
local result = flows.trial(tonumber(os.getenv("PKTGEN_RATE") or "1"), flows.seconds)
local found = pktgen.pktStats(flows.receive)[tonumber(flows.receive)].latency
pktgen.latency(port, "disable")
result.probes = found.num_pkts
result.min_us, result.avg_us, result.max_us = found.min_us, found.avg_us, found.max_us
flows.report("latency", result)
pktgen.quit()
