-- The count comes to be known: the table holds so many units besides. KEYS: the count. ARGV: units.
local count = redis.call('GET', KEYS[1])
if count and tonumber(count) < KNOWN then
  redis.call('INCRBY', KEYS[1], string.format('%.0f', KNOWN + tonumber(ARGV[1])))
end
return 0
