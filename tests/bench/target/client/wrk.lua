-- SPDX-License-Identifier: GPL-3.0-or-later
-- What a visitor of wrk asks for, and the result as one line of JSON.
--   wrk ... -s wrk.lua URL -- KIND COOKIES RUN POST
-- KIND: plain, unique (RUN and a number stand for %d in the path), comment (on POST). COOKIES: a file, or "-" without a session.

local number = 0

function init(args)
  kind, run, post = args[1], args[3], args[4]
  if args[2] ~= "-" then
    local file = assert(io.open(args[2]))
    wrk.headers["Cookie"] = file:read("*l")
    file:close()
  end
  if kind == "comment" then
    wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  end
  -- Each thread has its own numbers.
  thread_id = tostring(wrk.thread):gsub("%W", "")
  plain = wrk.format()
end

local function mark()
  number = number + 1
  return run .. thread_id .. number
end

function request()
  if kind == "plain" then
    return plain
  elseif kind == "unique" then
    return wrk.format(nil, (wrk.path:gsub("UNIQUE", mark())))
  end
  return wrk.format("POST", nil, nil, "submit=Post&comment_parent=0&comment_post_ID=" .. post .. "&comment=Comment+" .. mark())
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"microseconds": %d, "requests": %d, "p50": %.1f, "p99": %.1f, "failed": %d, "status": %d}\n',
    summary.duration, summary.requests, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status
  ))
end
