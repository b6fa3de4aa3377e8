-- syn_flood.lua: SYNs of the same tuples again and again, which nobody answers. For ever new ones: traffic --mix syn.
-- Lua has no word for TCP flags, the command line has: syn_flags.pkt runs before this.
local flows = require("flows")
flows.set("tcp")
flows.report("syn_flood", flows.trial(tonumber(os.getenv("PKTGEN_RATE") or "1"), flows.seconds))
pktgen.quit()
