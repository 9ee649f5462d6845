-- Reads some slots of a user. KEYS: the slots. Answers the place of each that is there, and its content.
local open = {}
for n, key in ipairs(KEYS) do
  local content = redis.call('HGETALL', key)
  if #content > 0 then
    open[#open + 1] = {n, content}
  end
end
return open
