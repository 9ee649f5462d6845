-- A user's day in the shared cache, a hash:
--   shadow     at least what the quota table admitted, with the charges under way and the parcels delivered
--   known      there once the shadow counts what the table held before this hash was made
--   unsent     units admitted while the table was down, in no parcel yet
--   parcel:ID  units that may have been sent to the table; an id's units never change
--   tier       under which plan the last units were admitted

local function seal(key, id)
  local unsent = redis.call('HGET', key, 'unsent')
  if unsent and tonumber(unsent) > 0 then
    redis.call('HSET', key, 'parcel:' .. id, unsent)
    redis.call('HDEL', key, 'unsent')
  end
end

-- The units that wait, and the parcels among them: id, units, id, units …
local function waiting(key)
  local units, parcels, known = 0, {}, 0
  local fields = redis.call('HGETALL', key)
  for place = 1, #fields, 2 do
    local parcel = string.match(fields[place], '^parcel:(.*)$')
    if parcel then
      table.insert(parcels, parcel)
      table.insert(parcels, tonumber(fields[place + 1]))
    end
    if parcel or fields[place] == 'unsent' then
      units = units + tonumber(fields[place + 1])
    elseif fields[place] == 'known' then
      known = 1
    end
  end
  return units, parcels, known
end
