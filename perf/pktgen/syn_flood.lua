-- syn_flood.lua: SYNs of the same tuples again and again, which nobody answers. For ever new ones: traffic --mix syn.
local flows = require("flows")
flows.set("tcp")
-- Lua has no word for TCP flags; the command line has.
local path = os.tmpname()
local file = assert(io.open(path, "w"))
file:write("range " .. flows.send .. " tcp flag clr ack\nrange " .. flows.send .. " tcp flag set syn\n")
file:close()
pktgen.run("cmd", path)
os.remove(path)
flows.report("syn_flood", flows.trial(tonumber(os.getenv("PKTGEN_RATE") or "1"), flows.seconds))
pktgen.quit()
