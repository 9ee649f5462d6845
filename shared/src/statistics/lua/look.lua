-- Finds a slot of a user that is due: the one before, or this one if it has grown enough. KEYS: the slot before, this slot.
-- ARGV: by how many fields. Answers its place among the keys, and its content; nothing if none is due.
local source = redis.call('HGET', KEYS[1], 's')
-- A slot of late observations waits for others of their kind, and for the schedule.
if source and string.sub(source, 1, 1) ~= '~' then
  return {1, redis.call('HGETALL', KEYS[1])}
end
local length = redis.call('HLEN', KEYS[2])
if length >= tonumber(ARGV[1]) and length - tonumber(redis.call('HGET', KEYS[2], 'w')) >= tonumber(ARGV[1]) then
  return {2, redis.call('HGETALL', KEYS[2])}
end
return {}
