-- wrk's threads are dealt to the addresses in TARGETS ("10.72.1.1 10.72.1.2"): without a balancer each backend gets its
-- share, and with one the client does the same. The end of the run is one line of JSON.
local targets = {}
for target in os.getenv("TARGETS"):gmatch("%S+") do targets[#targets + 1] = target end
local next_target = 0

function setup(thread)
  thread.addr = wrk.lookup(targets[next_target % #targets + 1], os.getenv("TARGET_PORT"))[1]
  next_target = next_target + 1
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('JSON {"requests": %d, "seconds": %.6f, "failed": %d}\n', summary.requests,
    summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
