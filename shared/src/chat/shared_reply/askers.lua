-- Notes who asks a question. KEYS: the set of its askers. ARGV: this one, the most that are remembered (0 to look only),
-- milliseconds.
-- Answers how many others are known.
local known = redis.call('SISMEMBER', KEYS[1], ARGV[1])
local all = redis.call('SCARD', KEYS[1])
if known == 0 and all < tonumber(ARGV[2]) then
  redis.call('SADD', KEYS[1], ARGV[1])
  if all == 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
end
return all - known
