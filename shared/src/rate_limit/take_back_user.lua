-- KEYS: a user's log; the user's day. ARGV: id, units that were reserved.
local taken = take_back(KEYS[1], ARGV[1])
if taken == 1 and redis.call('HEXISTS', KEYS[2], 'shadow') == 1 then
  redis.call('HINCRBY', KEYS[2], 'shadow', -tonumber(ARGV[2]))
end
return taken
