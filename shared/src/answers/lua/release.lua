-- Gives back leases that are still the caller's. KEYS: leases, in one slot. ARGV: the token. Returns how many were.
local released = 0
for i = 1, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then
        released = released + redis.call('DEL', KEYS[i])
    end
end
return released
