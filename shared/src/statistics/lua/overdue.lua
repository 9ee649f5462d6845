-- Counts the slots of a list that are overdue. KEYS: the list. ARGV: the score of the first that is not.
return redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
