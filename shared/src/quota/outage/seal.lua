-- The parcel to send now. KEYS: the day. ARGV: a source for it, if it is this hash's first. Answers the tier, and the parcel
-- if there is one: its source, number and units.
local _, parcel = seal(KEYS[1], ARGV[1])
table.insert(parcel, 1, redis.call('HGET', KEYS[1], 'tier') or '')
return parcel
