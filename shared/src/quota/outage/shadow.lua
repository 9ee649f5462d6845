-- The shadow count of a user's day: at least the units that the quota table has admitted, the charges under way, and
-- the units admitted while the table was down. From KNOWN on it includes the table's count from before the cache knew
-- of the day.
local KNOWN = 2 ^ 50

-- Adds a charge to the count before it asks the table. Returns 1 if the count is known. The first of a day sets how
-- long it is kept.
local function reserve(key, units, kept)
  local count = redis.call('INCRBY', key, units)
  if count == tonumber(units) then
    redis.call('EXPIRE', key, kept)
  end
  return count >= KNOWN and 1 or 0
end

-- Removes a charge that does not ask the table after all. A count that was forgotten meanwhile stays forgotten.
local function unreserve(key, units)
  if redis.call('EXISTS', key) == 1 then
    redis.call('DECRBY', key, units)
  end
end
