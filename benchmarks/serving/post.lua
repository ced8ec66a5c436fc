-- For wrk: POST the file that is named after "--", and say at the end what was measured, as one line of JSON.
-- The time is that from the first request to the last answer: batches that the end cuts off count neither way.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } moment; int clock_gettime(int clock, moment *found);")
local moment = ffi.new("moment")
local threads = {}

function now()
  ffi.C.clock_gettime(1, moment) -- CLOCK_MONOTONIC
  return tonumber(moment.seconds) * 1e6 + tonumber(moment.nanoseconds) / 1e3
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = file:read("*a")
  file:close()
  whole = wrk.format()
  first, last = 0, 0
end

function request()
  if first == 0 then first = now() end
  return whole
end

function response()
  last = now()
end

function done(summary, latency, requests)
  local e = summary.errors
  local first, last = math.huge, 0
  for _, thread in ipairs(threads) do
    first, last = math.min(first, thread:get("first")), math.max(last, thread:get("last"))
  end
  io.write(string.format(
    'MEASURED {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
    summary.requests, last > first and last - first or summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.timeout, e.status))
end
