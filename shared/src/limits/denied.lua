-- Returns revoked sessions with the time until which they are denied. KEYS: the list. ARGV: now in milliseconds.
return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 10000)
