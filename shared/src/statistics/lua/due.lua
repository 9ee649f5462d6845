-- Reads the first slots of a list that are due. KEYS: the list. ARGV: the score of the first that is not, how many to pass
-- over, how many to read. Answers members and scores.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])
