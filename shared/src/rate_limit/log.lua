-- The exact sliding log of one key, as in rate_limit.rs: a list, oldest first, of "time sum weight id". The sum is that of all
-- weights up to and with this entry, so that what a window holds is the difference of two.

local function parse(entry)
  local at, sum, weight, id = string.match(entry, '^(%d+) (%d+) (%d+) (.*)$')
  return tonumber(at), tonumber(sum), tonumber(weight), id
end

local function render(at, sum, weight, id)
  return string.format('%.0f %.0f %.0f %s', at, sum, weight, id)
end

-- After the clock was set back the newest entry counts as made now, and the others keep their distance.
local function shift(key, ahead)
  local entries = redis.call('LRANGE', key, 0, -1)
  for place, entry in ipairs(entries) do
    local at, sum, weight, id = parse(entry)
    redis.call('LSET', key, place - 1, render(math.max(at - ahead, 0), sum, weight, id))
  end
end

-- Drops what has left the window. The units before the oldest entry, the units up to the newest, the time of the oldest.
local function forget(key, window)
  local newest = redis.call('LINDEX', key, -1)
  if not newest then
    return 0, 0, now
  end
  local last, total = parse(newest)
  if last > now then
    shift(key, last - now)
  end
  local oldest = redis.call('LINDEX', key, 0)
  while oldest do
    local at, sum, weight = parse(oldest)
    if at + window > now then
      return sum - weight, total, at
    end
    redis.call('LPOP', key)
    oldest = redis.call('LINDEX', key, 0)
  end
  return 0, 0, now
end

-- How long until the units up to `needed` have left the window.
local function wait(key, window, needed)
  local start = 0
  while true do
    local entries = redis.call('LRANGE', key, start, start + 99)
    for _, entry in ipairs(entries) do
      local at, sum = parse(entry)
      if sum >= needed then
        return at + window - now
      end
    end
    if #entries < 100 then
      return window
    end
    start = start + 100
  end
end

-- Decides on a request and notes it if it is admitted: {admitted, units used, more in, refused for}, times in microseconds.
local function decide(key, limit, window, weight, id)
  local before, total, oldest = forget(key, window)
  local used = total - before
  if weight > 0 and used + weight > limit then
    return {0, used, oldest + window - now, wait(key, window, before + used + weight - limit)}
  end
  if weight > 0 then
    redis.call('RPUSH', key, render(now, total + weight, weight, id))
    redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1)
    used = used + weight
  end
  local reset = 0
  if used > 0 then
    reset = oldest + window - now
  end
  return {1, used, reset, 0}
end

-- Removes the entry of a request, as if it had never been.
local function take_back(key, id)
  for place = redis.call('LLEN', key) - 1, 0, -1 do
    local entry = redis.call('LINDEX', key, place)
    local _, _, weight, found = parse(entry)
    if found == id then
      redis.call('LREM', key, -1, entry)
      for later = place, redis.call('LLEN', key) - 1 do
        local at, sum, its, name = parse(redis.call('LINDEX', key, later))
        redis.call('LSET', key, later, render(at, sum - weight, its, name))
      end
      return 1
    end
  end
  return 0
end
