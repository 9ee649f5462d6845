-- Takes leases on questions, unless they have been answered meanwhile.
-- KEYS: n verdicts, then their n leases, in one slot.
-- ARGV: the caller's token, the lease's length (ms), the latest time that a clock may show, then two for each verdict: the time of judgement that a verdict must be
-- newer than to be an answer, and the wish: 'claim' a free lease, only 'watch', or take it over from the holder of this token.
-- Returns one for each: 'v' and the verdict; 'g' granted; 'h' and the holder's token; 'f' free, and not asked for.
local n = #KEYS / 2
local token, length, soon = ARGV[1], ARGV[2], tonumber(ARGV[3])
local answers = {}
for i = 1, n do
    local after, wish = tonumber(ARGV[2 + 2 * i]), ARGV[3 + 2 * i]
    local verdict = redis.pcall('GET', KEYS[i])
    local at = judged_at(verdict, soon)
    if at and at > after then
        answers[i] = 'v' .. verdict
    else
        local holder = redis.call('GET', KEYS[n + i])
        if holder and holder ~= token and holder ~= wish then
            answers[i] = 'h' .. holder
        elseif wish == 'watch' then
            answers[i] = 'f'
        else
            redis.call('SET', KEYS[n + i], token, 'PX', length)
            answers[i] = 'g'
        end
    end
end
return answers
