-- Renews leases that are still the caller's. KEYS: leases, in one slot. ARGV: the token, the length (ms).
-- Returns how many were.
local renewed = 0
for i = 1, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then
        renewed = renewed + redis.call('PEXPIRE', KEYS[i], ARGV[2])
    end
end
return renewed
