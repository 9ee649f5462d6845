-- KEYS: the log of an address. ARGV: limit, window in microseconds, weight, id.
return decide(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
