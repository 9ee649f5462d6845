-- The table has a parcel: it waits no more, and the shadow counts it. KEYS: the day. ARGV: its source, its number.
-- Answers the parcel to send next, if any: its source, number and units.
local _, parcel = waiting(KEYS[1])
if parcel[1] == ARGV[1] and parcel[2] == tonumber(ARGV[2]) then
  redis.call('HDEL', KEYS[1], 'parcel')
  redis.call('HINCRBY', KEYS[1], 'shadow', string.format('%.0f', parcel[3]))
end
_, parcel = seal(KEYS[1], ARGV[1])
return parcel
