-- KEYS: a user's log; the mark of the session if it was revoked; the user's day, as in quota/outage/day.lua.
-- ARGV: limit, window in microseconds, weight, id, units to reserve of the day, for how many seconds that is kept.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {-1}
end
local decision = decide(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
local units = tonumber(ARGV[5])
if decision[1] == 0 or units == 0 then
  return decision
end
-- The charge joins the shadow before it asks the table; what waits comes along, so that it can be delivered first.
redis.call('HINCRBY', KEYS[3], 'shadow', units)
redis.call('EXPIRE', KEYS[3], ARGV[6])
local unsent, parcel, known = seal(KEYS[3], ARGV[4])
table.insert(decision, known)
table.insert(decision, unsent)
for _, part in ipairs(parcel) do
  table.insert(decision, part)
end
return decision
