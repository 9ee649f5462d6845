-- KEYS: a user's log; the mark of the session if it was revoked; the shadow count of the day, if the meter is counted by day.
-- ARGV: limit, window in microseconds, weight, id; units to reserve, for how many seconds their count is kept.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {-1}
end
local decision = decide(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
if decision[1] == 1 and KEYS[3] then
  table.insert(decision, reserve(KEYS[3], ARGV[5], ARGV[6]))
end
return decision
