-- Moves a charge from the shadow to what waits, if there is room. KEYS: the day. ARGV: units, 80 % of the limit, tier.
-- Answers the units used, -1 if there is no room, -2 if nobody knows what the table holds.
local units = tonumber(ARGV[1])
local unsent, parcel, known = waiting(KEYS[1])
if known == 0 then
  return -2
end
local shadow = math.max(tonumber(redis.call('HGET', KEYS[1], 'shadow') or 0) - units, 0)
redis.call('HSET', KEYS[1], 'shadow', string.format('%.0f', shadow))
local used = shadow + unsent + (parcel[3] or 0) + units
if used > tonumber(ARGV[2]) then
  return -1
end
redis.call('HINCRBY', KEYS[1], 'unsent', units)
redis.call('HSET', KEYS[1], 'tier', ARGV[3])
return used
