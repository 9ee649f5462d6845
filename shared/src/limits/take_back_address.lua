-- KEYS: a log. ARGV: id.
return take_back(KEYS[1], ARGV[1])
