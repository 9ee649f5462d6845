-- Stores verdicts, never an older over a newer one, and gives back the leases that they were judged under.
-- KEYS: n verdicts, then their n leases, in one slot.
-- ARGV: the token of the leases ('' if none was needed), the latest time that a clock may show, then three for each verdict: the time of judgement that was known
-- when the lease was claimed, the verdict, and how long to keep it (ms).
-- Returns one for each: 1 stored, 0 too late.
local n = #KEYS / 2
local token, soon = ARGV[1], tonumber(ARGV[2])
local stored = {}
for i = 1, n do
    local known, verdict, length = tonumber(ARGV[3 * i]), ARGV[3 * i + 1], ARGV[3 * i + 2]
    local holder = redis.call('GET', KEYS[n + i])
    local newest = judged_at(verdict, soon) or 0
    local late = false
    if token ~= '' then
        if holder == token then
            redis.call('DEL', KEYS[n + i])
        elseif holder then
            -- Somebody else judges this now.
            late = true
        else
            -- The lease has lapsed: whatever was stored since was judged by somebody who took over, whatever our clock says.
            newest = math.min(newest, known)
        end
    end
    local at = judged_at(redis.pcall('GET', KEYS[i]), soon)
    if late or (at and at > newest) then
        stored[i] = 0
    else
        redis.call('SET', KEYS[i], verdict, 'PX', length)
        stored[i] = 1
    end
end
return stored
