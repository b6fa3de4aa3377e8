-- flows.lua: what all scripts share: the flows of perf/traffic/memif.toml, and one trial.
-- A flow is a port of the client 198.18.0.1, from 1024 up, towards the VIP 203.0.113.10:80. (Ranges of Pktgen advance all
-- at once: 16 addresses and 64 ports make 64 flows.) Pktgen's range mode prepares its packets once, in a buffer pool, and
-- plays these: it stops at 24,576 different tuples whatever the ranges say. For more flows there is perf/traffic.
local flows = {}

flows.send = "0"
flows.receive = os.getenv("PKTGEN_RECEIVE_PORT") or "0"
flows.seconds = tonumber(os.getenv("PKTGEN_SECONDS") or "5")
flows.count = tonumber(os.getenv("PKTGEN_FLOWS") or "1024")
flows.bytes = tonumber(os.getenv("PKTGEN_BYTES") or "64")
flows.mac = os.getenv("PKTGEN_PEER_MAC") or "02:6d:69:6c:6c:00"

-- Of Millrace's VIP; `proto` is "udp" or "tcp".
function flows.set(proto)
  local port = flows.send
  pktgen.stop(port)
  pktgen.range.dst_mac(port, "start", flows.mac)
  for _, what in ipairs({ "start", "min", "max" }) do pktgen.range.src_ip(port, what, "198.18.0.1") end
  pktgen.range.src_ip(port, "inc", "0.0.0.0")
  for _, what in ipairs({ "start", "min", "max" }) do pktgen.range.dst_ip(port, what, "203.0.113.10") end
  pktgen.range.dst_ip(port, "inc", "0.0.0.0")
  pktgen.range.ip_proto(port, proto)
  pktgen.range.src_port(port, "start", 1024)
  pktgen.range.src_port(port, "min", 1024)
  pktgen.range.src_port(port, "max", 1024 + flows.count - 1)
  pktgen.range.src_port(port, "inc", 1)
  for _, what in ipairs({ "start", "min", "max" }) do pktgen.range.dst_port(port, what, 80) end
  pktgen.range.dst_port(port, "inc", 0)
  for _, what in ipairs({ "start", "min", "max" }) do pktgen.range.pkt_size(port, what, flows.bytes) end
  pktgen.range.pkt_size(port, "inc", 0)
  pktgen.set_range(port, "on")
end

-- `rate` in percent of the link (memif counts as 100 Gbit/s). Returns sent, received, and their rate in Mpps.
function flows.trial(rate, seconds)
  pktgen.set(flows.send, "rate", rate)
  pktgen.clr()
  pktgen.delay(200)
  pktgen.start(flows.send)
  pktgen.delay(math.floor(seconds * 1000))
  pktgen.stop(flows.send)
  pktgen.delay(500)
  local sent = pktgen.portStats(flows.send, "port")[tonumber(flows.send)].opackets
  local received = pktgen.portStats(flows.receive, "port")[tonumber(flows.receive)].ipackets
  return { rate = rate, seconds = seconds, sent = sent, received = received, lost = sent - received,
           mpps = received / seconds / 1e6 }
end

-- One JSON object a line, to where perf/pktgen/run shows it.
function flows.report(name, result)
  local parts = { string.format('"script": "%s"', name) }
  for key, value in pairs(result) do parts[#parts + 1] = string.format('"%s": %s', key, value) end
  local file = assert(io.open(assert(os.getenv("PKTGEN_RESULT"), "start it by perf/pktgen/run"), "a"))
  file:write("{" .. table.concat(parts, ", ") .. "}\n")
  file:close()
end

return flows
