-- The cache's own time in microseconds: one clock for the whole fleet.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
