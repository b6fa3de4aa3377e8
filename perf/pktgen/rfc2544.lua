-- rfc2544.lua: the highest rate with no more loss than a tolerance (RFC 2544 section 26.1), by halving the interval.
local flows = require("flows")
local tolerance = tonumber(os.getenv("PKTGEN_TOLERANCE") or "0.001")
local low, high = 0, tonumber(os.getenv("PKTGEN_RATE_MAX") or "10")
local steps = 8

flows.set("udp")
flows.trial(0.1, 1)
local best = { rate = 0, mpps = 0 }
local rate = high
for _ = 1, steps do
  local result = flows.trial(rate, flows.seconds)
  local passed = result.sent > 0 and result.lost <= tolerance * result.sent
  flows.report(passed and "rfc2544 passed" or "rfc2544 failed", result)
  if passed then
    low, best = rate, result
    if rate == high then break end
  else
    high = rate
  end
  rate = (low + high) / 2
end
flows.report("rfc2544", best)
pktgen.quit()
