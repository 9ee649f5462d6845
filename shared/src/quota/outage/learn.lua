-- The shadow starts to count what the table held besides, once. KEYS: the day. ARGV: units.
if redis.call('HEXISTS', KEYS[1], 'shadow') == 1 and redis.call('HSETNX', KEYS[1], 'known', 1) == 1 then
  redis.call('HINCRBY', KEYS[1], 'shadow', ARGV[1])
end
return 0
