-- established.lua: UDP flows in turn at a fixed rate (PKTGEN_RATE, percent of the link). The first round opens them.
local flows = require("flows")
flows.set("udp")
flows.trial(0.1, 1)
flows.report("established", flows.trial(tonumber(os.getenv("PKTGEN_RATE") or "1"), flows.seconds))
pktgen.quit()
