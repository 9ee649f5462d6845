-- Puts a user's slot on the list of those that will be due. KEYS: the list. ARGV: the score, the member, the score before
-- which a slot is forgotten, the seconds for which the list is kept.
if redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2]) == 1 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
return 1
