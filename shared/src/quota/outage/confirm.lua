-- The table has parcels: they wait no more, and the shadow counts them. KEYS: the day. ARGV: their ids.
for _, id in ipairs(ARGV) do
  local units = redis.call('HGET', KEYS[1], 'parcel:' .. id)
  if units then
    redis.call('HDEL', KEYS[1], 'parcel:' .. id)
    redis.call('HINCRBY', KEYS[1], 'shadow', units)
  end
end
return 0
