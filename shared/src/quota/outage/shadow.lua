-- The shadow count of a user's day: at least what the quota table has admitted, the charges under way, and what was admitted
-- while the table was down. From KNOWN on it counts what the table held before the cache knew of the day.
local KNOWN = 2 ^ 50

-- A charge joins the count before it asks the table. Answers 1 if the count is known. The first of a day says how long it is kept.
local function reserve(key, units, kept)
  local count = redis.call('INCRBY', key, units)
  if count == tonumber(units) then
    redis.call('EXPIRE', key, kept)
  end
  return count >= KNOWN and 1 or 0
end

-- The charge does not ask the table after all. A count that was forgotten meanwhile stays so.
local function unreserve(key, units)
  if redis.call('EXISTS', key) == 1 then
    redis.call('DECRBY', key, units)
  end
end
