-- The fleet's counts of a provider, kept by the rules of breaker/window.rs. The caller decides what follows from them. The numbers in capitals come before this text.
-- KEYS: the state, and who was blamed for failures; in one slot.
-- ARGV: what is to be done, the time (ms), the caller's epoch, then:
--   look, lease, retry: nothing; shift: the phase (0 closed, 1 open, 2 half-open), until (ms), its span (ms);
--   report: good, failed, provoked or neutral; slow (0 or 1); until when not to call (ms, 0 for never); the status of a
--   refusal (0 for none); then whom to blame, if anybody.
-- Returns whether that was done, the epoch, the phase, until, span, leased, good, bad, the streak, held until, and of the last
-- seconds the calls, failures, slow ones, retries, and the failures that were provoked; the status of the last refusal.
local what, now, epoch = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local second = math.floor(now / 1000)
local names = {'e', 'p', 'u', 's', 'l', 'g', 'b', 'k', 'h', 'r'}
local held, changed = {}, {}
local raw = redis.call('HGETALL', KEYS[1])
for i = 1, #raw, 2 do held[raw[i]] = raw[i + 1] end
local s = {}
for _, name in ipairs(names) do s[name] = tonumber(held[name] or 0) or 0 end

-- Seconds are a ring of fields, each with its own number: what it holds of another time does not count.
local function read(at)
    local n, c, f, w, r, p = string.match(held['w' .. at % SECONDS] or '', '^(%d+):(%d+):(%d+):(%d+):(%d+):(%d+)$')
    return tonumber(n), {tonumber(c), tonumber(f), tonumber(w), tonumber(r), tonumber(p)}
end
local function add(place, more)
    local n, counts = read(second)
    if n ~= second then counts = {0, 0, 0, 0, 0} end
    for i, count in ipairs(more) do counts[place[i]] = counts[place[i]] + count end
    local name, value = 'w' .. second % SECONDS, second .. ':' .. table.concat(counts, ':')
    held[name] = value
    changed[#changed + 1], changed[#changed + 2] = name, value
end
local function sums()
    local total = {0, 0, 0, 0, 0}
    for at = 0, SECONDS - 1 do
        local n, counts = read(at)
        if n and second - n < SECONDS and n - second <= SECONDS then
            for i = 1, 5 do total[i] = total[i] + counts[i] end
        end
    end
    return total
end

local done = 0
if what == 'lease' then
    if s.p == 2 and s.l < PROBES and s.e == epoch then
        s.l, done = s.l + 1, 1
    end
elseif what == 'shift' then
    if s.e == epoch then
        done = 1
        redis.call('DEL', KEYS[1])
        held = {}
        s = {e = epoch + 1, p = tonumber(ARGV[4]), u = tonumber(ARGV[5]), s = tonumber(ARGV[6]), l = 0, g = 0, b = 0, k = 0, h = s.h, r = s.r}
    end
elseif what == 'retry' then
    local total = sums()
    if (total[4] + 1) * CALLS_PER_RETRY <= total[1] then
        done = 1
        add({4}, {1})
    end
elseif what == 'report' then
    local outcome, slow = ARGV[4], tonumber(ARGV[5])
    s.h = math.max(s.h, tonumber(ARGV[6]))
    if tonumber(ARGV[7]) > 0 then s.r = tonumber(ARGV[7]) end
    if #ARGV > 7 then
        local spent = redis.call('HLEN', KEYS[2]) >= MOST_NAMES
        local blamed = redis.call('HMGET', KEYS[2], unpack(ARGV, 8))
        for i, times in ipairs(blamed) do
            blamed[i] = tonumber(times or 0)
            spent = spent or blamed[i] >= MOST_BLAMED
        end
        if spent then
            outcome = 'neutral'
        else
            local more = {}
            for i, times in ipairs(blamed) do
                more[#more + 1], more[#more + 2] = ARGV[7 + i], times + 1
            end
            redis.call('HSET', KEYS[2], unpack(more))
            if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], BLAME_SPAN) end
        end
    end
    if s.e == epoch then
        done = 1
        if s.p == 2 then
            if outcome == 'good' then s.g = s.g + 1
            elseif outcome == 'neutral' then s.l = math.max(0, s.l - 1)
            else s.b = s.b + 1 end
        end
        if outcome ~= 'neutral' then
            local failed = outcome == 'good' and 0 or 1
            local provoked = outcome == 'provoked' and 1 or 0
            s.k = failed == 1 and s.k + 1 or 0
            if failed == 0 then s.r = 0 end
            add({1, 2, 3, 5}, {1, failed, slow, provoked})
        end
    end
end
if what ~= 'look' then
    for _, name in ipairs(names) do
        changed[#changed + 1], changed[#changed + 2] = name, string.format('%.0f', s[name])
    end
    redis.call('HSET', KEYS[1], unpack(changed))
    redis.call('PEXPIRE', KEYS[1], KEPT)
end
local total = sums()
return {done, s.e, s.p, s.u, s.s, s.l, s.g, s.b, s.k, s.h, total[1], total[2], total[3], total[4], total[5], s.r}
