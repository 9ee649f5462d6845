-- Counts observations in a slot of a user, each once. KEYS: the slot. ARGV: the name of a new source, the seconds for which
-- it is kept, the most fields; then of each observation its mark, application, device and kind.
-- Answers for how many observations there was room.
-- Fields: s the source, w the length that was written, #a and #d how many names there are, a<name> and d<name> their
-- numbers, i<mark> the place of an observation: three bytes.
local key = KEYS[1]

local function number_of(letter, name, most)
  local taken = tonumber(redis.call('HGET', key, '#' .. letter) or 0)
  if taken >= most then
    return 0
  end
  redis.call('HSET', key, '#' .. letter, taken + 1, letter .. name, taken + 1)
  return taken + 1
end

for n = 4, #ARGV, 4 do
  local mark, application, device, kind = ARGV[n], ARGV[n + 1], ARGV[n + 2], tonumber(ARGV[n + 3])
  local known = redis.call('HMGET', key, 's', 'a' .. application, 'd' .. device)
  if not known[1] then
    redis.call('HSET', key, 's', ARGV[1], 'w', 0)
    redis.call('EXPIRE', key, ARGV[2])
  elseif redis.call('HLEN', key) >= tonumber(ARGV[3]) then
    return (n - 4) / 4
  end
  local a = tonumber(known[2] or number_of('a', application, APPLICATIONS))
  local d = tonumber(known[3] or number_of('d', device, DEVICES))
  redis.call('HSETNX', key, 'i' .. mark, string.char(a, d, kind))
end
return (#ARGV - 3) / 4
