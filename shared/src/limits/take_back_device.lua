-- KEYS: a device's log; its state. ARGV: id.
local taken = take_back(KEYS[1], ARGV[1])
if taken == 1 then
  local before = redis.call('HMGET', KEYS[2], 'at0', 'run0')
  if before[2] then
    redis.call('HSET', KEYS[2], 'at', before[1], 'run', before[2])
  end
end
return taken
