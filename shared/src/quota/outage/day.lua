-- A user's day in the shared cache, a hash:
--   shadow   at least what the quota table admitted, with the charges under way and the parcels delivered
--   known    there once the shadow counts what the table held before this hash was made
--   unsent   units admitted while the table was down, in no parcel yet
--   parcel   units of the one parcel that may have been sent to the table: they never change
--   number   that parcel's, or that of the last one
--   source   whose numbers they are: this hash's, for one made anew after the cache has lost it begins again
--   tier     under which plan the last units were admitted

-- What waits: unsent units; the parcel as source, number and units, or nothing; and whether the shadow is known.
local function waiting(key)
  local day = redis.call('HMGET', key, 'unsent', 'source', 'number', 'parcel', 'known')
  local parcel = {}
  if day[4] then
    parcel = {day[2], tonumber(day[3]), tonumber(day[4])}
  end
  return tonumber(day[1] or 0), parcel, day[5] and 1 or 0
end

-- The same, once what is unsent is a parcel if there was no other: so the table need not remember more than the last number.
local function seal(key, source)
  local unsent, parcel, known = waiting(key)
  if unsent == 0 or parcel[1] then
    return unsent, parcel, known
  end
  -- By the clock, so that a cache which has lost its last writes does not give a number twice.
  local clock = redis.call('TIME')
  local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
  local number = math.max(tonumber(redis.call('HGET', key, 'number') or 0) + 1, now)
  redis.call('HSETNX', key, 'source', source)
  redis.call('HSET', key, 'parcel', string.format('%.0f', unsent), 'number', string.format('%.0f', number))
  redis.call('HDEL', key, 'unsent')
  return waiting(key)
end
