-- Takes a slot from the list, unless something was counted in it since. KEYS: the list. ARGV: the member, the score that it
-- had.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
