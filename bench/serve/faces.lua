-- Requests of wrk for single faces: every request has another seed, so that nothing comes from a cache.
-- Prints one line: requests a second, percentiles in milliseconds, and what went wrong.

local thread_count = 0

function setup(thread)
   thread:set("id", thread_count)
   thread_count = thread_count + 1
end

function init(args)
   seed = id * 100000000
end

function request()
   seed = seed + 1
   return wrk.format("GET", "/api/models/" .. os.getenv("MODEL") .. "/face.png?seed=" .. seed)
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      "RESULT %.1f %.1f %.1f %.1f %d\n",
      summary.requests / summary.duration * 1e6,
      latency:percentile(50) / 1000,
      latency:percentile(95) / 1000,
      latency:percentile(99) / 1000,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
