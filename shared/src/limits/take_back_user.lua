-- KEYS: a user's log; the mark of the session; the shadow count of the day, if something was reserved. ARGV: id, units.
local taken = take_back(KEYS[1], ARGV[1])
if taken == 1 and KEYS[3] then
  unreserve(KEYS[3], ARGV[2])
end
return taken
