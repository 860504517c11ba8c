-- Counts wrk's answers that are not 200 by their status, and says how it went in one line of JSON.

local threads = {}
local statuses = { 400, 403, 404, 408, 429, 500, 501, 502, 503, 504 }

function setup(thread)
    table.insert(threads, thread)
end

function init()
    for _, status in ipairs(statuses) do
        _G["status" .. status] = 0
    end
    others = 0
end

function response(status)
    if status == 200 then
        return
    end
    local name = "status" .. status
    if _G[name] then
        _G[name] = _G[name] + 1
    else
        others = others + 1
    end
end

function done(summary, latency)
    local failed = {}
    local function add(kind, count)
        if count > 0 then
            table.insert(failed, string.format('"%s": %d', kind, count))
        end
    end
    for _, status in ipairs(statuses) do
        local sum = 0
        for _, thread in ipairs(threads) do
            sum = sum + thread:get("status" .. status)
        end
        add(tostring(status), sum)
    end
    local sum = 0
    for _, thread in ipairs(threads) do
        sum = sum + thread:get("others")
    end
    add("other status", sum)
    for _, kind in ipairs({ "connect", "read", "write", "timeout" }) do
        add(kind, summary.errors[kind])
    end
    print(string.format('{"requests": %d, "slowest": %.1f, "failed": {%s}}',
        summary.requests, latency.max / 1000, table.concat(failed, ", ")))
end
