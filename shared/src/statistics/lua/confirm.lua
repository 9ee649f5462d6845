-- Notes that a slot was written. KEYS: the slot. ARGV: the source and the length that were written, 1 if the slot is over.
-- Answers 1 if nothing of it is left to be written.
local key = KEYS[1]
if redis.call('HGET', key, 's') ~= ARGV[1] then
  return redis.call('EXISTS', key) == 0 and 1 or 0
end
if redis.call('HLEN', key) == tonumber(ARGV[2]) and ARGV[3] == '1' then
  redis.call('DEL', key)
  return 1
end
redis.call('HSET', key, 'w', ARGV[2])
return 0
