-- Sends the requests of a file, which are separated by NUL, one after the other and again from the start.
-- Prints what was measured as JSON: milliseconds, and how many answers were not 2xx or did not come.

local requests, sent = {}, 0

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   for request in file:read("*a"):gmatch("[^%z]+") do
      requests[#requests + 1] = request
   end
   file:close()
end

function request()
   sent = sent % #requests + 1
   return requests[sent]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'measured: {"per_second": %.3f, "p50": %.3f, "p99": %.3f, "failures": %d}\n',
      summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout
   ))
end
