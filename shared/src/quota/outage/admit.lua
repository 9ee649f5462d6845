-- Admits a charge that has joined the count, in the table's place. KEYS: the count. ARGV: units, 80 % of the limit.
-- Answers the units used, -1 if there is no room (then the charge leaves the count), -2 if the count is not known.
local count = tonumber(redis.call('GET', KEYS[1]) or 0)
if count < KNOWN then
  return -2
end
local used = count - KNOWN
if used > tonumber(ARGV[2]) then
  redis.call('DECRBY', KEYS[1], ARGV[1])
  return -1
end
return used
