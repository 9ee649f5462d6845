-- Stores answers and gives back the leases under which they were asked for. An older answer never replaces a newer one, nor one
-- of a lesser class a better one that came meanwhile.
-- KEYS: n answers, then their n leases, in one slot.
-- ARGV: the token of the leases ('' if none was needed), the latest time that a clock may show; then three for each answer: the
-- time after which nothing was known when the question was taken up, the answer, and how long to keep it (ms).
-- Returns one for each: 1 stored, 0 too late.
local n = #KEYS / 2
local token, soon = ARGV[1], tonumber(ARGV[2])
local values = redis.call('MGET', unpack(KEYS))
local stored, own = {}, {}
for i = 1, n do
    local known, answer, length = tonumber(ARGV[3 * i]), ARGV[3 * i + 1], ARGV[3 * i + 2]
    local holder = values[n + i]
    local newest, class = head(answer, soon)
    newest = newest or 0
    local late = false
    if token ~= '' then
        if holder == token then
            own[#own + 1] = KEYS[n + i]
        elseif holder then
            -- Somebody else asks now.
            late = true
        else
            -- The lease has lapsed. Answers that were stored since are by somebody who took over, whatever our clock says.
            newest = math.min(newest, known)
        end
    end
    local at, its = head(values[i], soon)
    if late or (at and (at > newest or (at > known and its > (class or 0)))) then
        stored[i] = 0
    else
        redis.call('SET', KEYS[i], answer, 'PX', length)
        stored[i] = 1
    end
end
if #own > 0 then
    redis.call('DEL', unpack(own))
end
return stored
