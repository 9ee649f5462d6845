-- Finds a slot of a user that is due: the one before, or this one if it has grown enough. KEYS: the slot before, this slot.
-- ARGV: by how many fields. Answers its place among the keys, and its content; nothing if none is due.
local before = redis.call('HGETALL', KEYS[1])
if #before > 0 then
  return {1, before}
end
local length = redis.call('HLEN', KEYS[2])
if length >= tonumber(ARGV[1]) and length - tonumber(redis.call('HGET', KEYS[2], 'w')) >= tonumber(ARGV[1]) then
  return {2, redis.call('HGETALL', KEYS[2])}
end
return {}
