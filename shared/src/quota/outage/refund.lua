-- Takes back units that were never sent. KEYS: the day. ARGV: units. Answers how many.
local unsent = tonumber(redis.call('HGET', KEYS[1], 'unsent') or 0)
local taken = math.min(unsent, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'unsent', string.format('%.0f', unsent - taken))
return taken
