-- Takes leases on questions, unless they have been answered meanwhile.
-- KEYS: n answers, then their n leases, in one slot.
-- ARGV: the caller's token, the lease's length (ms), the latest time that a clock may show; then two for each question: the time
-- that an answer must be newer than, and the wish: 'claim' a free lease, only 'watch', or take it over from the holder of this
-- token.
-- Returns one for each: 'v' and the answer; 'g' granted; 'h' and the holder's token; 'f' free, and not asked for.
local n = #KEYS / 2
local token, length, soon = ARGV[1], ARGV[2], tonumber(ARGV[3])
local values = redis.call('MGET', unpack(KEYS))
local states = {}
for i = 1, n do
    local after, wish = tonumber(ARGV[2 + 2 * i]), ARGV[3 + 2 * i]
    local answer, holder = values[i], values[n + i]
    local at = head(answer, soon)
    if at and at > after then
        states[i] = 'v' .. answer
    elseif holder and holder ~= token and holder ~= wish then
        states[i] = 'h' .. holder
    elseif wish == 'watch' then
        states[i] = 'f'
    else
        redis.call('SET', KEYS[n + i], token, 'PX', length)
        states[i] = 'g'
    end
end
return states
