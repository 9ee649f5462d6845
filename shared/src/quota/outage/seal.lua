-- The parcels to send now. KEYS: the day. ARGV: an id for a new one. Answers the tier and the parcels.
seal(KEYS[1], ARGV[1])
local _, parcels = waiting(KEYS[1])
table.insert(parcels, 1, redis.call('HGET', KEYS[1], 'tier') or '')
return parcels
