-- The requests of wrk: the same question (MODE=same) or one that was never asked (MODE=new), with the keys of KEYS in turn.
-- The figures come last, as one line of JSON.

local keys = {}
for key in io.lines(os.getenv("KEYS")) do keys[#keys + 1] = key end
local mode, body, run = os.getenv("MODE"), os.getenv("BODY"), os.getenv("RUN")
local headers = { ["Content-Type"] = "application/json", ["Connection"] = "keep-alive" }
for name, value in (os.getenv("HEADERS") or ""):gmatch("([^\n:]+): ([^\n]+)") do headers[name] = value end
local count = 0

request = function()
  count = count + 1
  headers["Authorization"] = "Bearer " .. keys[count % #keys + 1]
  local text = mode == "new" and body:gsub("QUESTION", run .. " " .. count) or body
  return wrk.format("POST", nil, headers, text)
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
