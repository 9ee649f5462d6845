-- The exact sliding log of one key, as in limits.rs, in a hash: a field for each entry, by its number, and a field
-- "log" with all that a decision needs while no entry leaves the window, so that it takes one read and one write. An
-- entry is "time sum weight id". The sum is that of all weights up to and with it, so that the units in a window are
-- the difference of two sums.

-- How many entries are read at first, as few leave a window at a time, and then at once.
local FEW = 4
local SOME = 100

local NUMBERS = '>ddd'
local SUMMARY = '>ddddddd'

-- Returns the name of an entry's field.
local function name(number)
  return string.format('%.0f', number)
end

-- Returns time, sum and weight, and where the id begins.
local function parse(entry)
  return struct.unpack(NUMBERS, entry)
end

local function render(at, sum, weight, id)
  return struct.pack(NUMBERS, at, sum, weight) .. id
end

-- Returns the numbers of the oldest and the newest entry, and their times; the units before the oldest, and up to the
-- newest; and the time at which the key expires.
local function read(key)
  local log = {first = 1, last = 0, oldest = now, newest = now, before = 0, total = 0, expires = 0}
  local stored = redis.call('HGET', key, 'log')
  if stored then
    log.first, log.last, log.oldest, log.newest, log.before, log.total, log.expires = struct.unpack(SUMMARY, stored)
  end
  return log
end

-- Writes the changes, and further fields with them.
local function write(key, log, ...)
  local stored = struct.pack(SUMMARY,
    log.first, log.last, log.oldest, log.newest, log.before, log.total, log.expires)
  redis.call('HSET', key, 'log', stored, ...)
end

-- Returns at most `most` entries from a number on, oldest first, and their names.
local function some(key, log, from, most)
  local names = {}
  for number = from, math.min(from + most - 1, log.last) do
    table.insert(names, name(number))
  end
  return redis.call('HMGET', key, unpack(names)), names
end

-- After the clock was set back the newest entry counts as made now, and the others keep their distance.
local function shift(key, log, ahead)
  for from = log.first, log.last, SOME do
    local entries, names = some(key, log, from, SOME)
    local fields = {}
    for place, entry in ipairs(entries) do
      local at, sum, weight, rest = parse(entry)
      table.insert(fields, names[place])
      table.insert(fields, render(math.max(at - ahead, 0), sum, weight, string.sub(entry, rest)))
    end
    redis.call('HSET', key, unpack(fields))
  end
  log.oldest, log.newest, log.expires = math.max(log.oldest - ahead, 0), now, 0
end

-- Drops entries that have left the window. Returns true if the log has changed.
local function forget(key, log, window)
  if log.newest > now then
    shift(key, log, log.newest - now)
  elseif log.first > log.last or log.oldest + window > now then
    return false
  end
  if log.newest + window <= now then
    redis.call('DEL', key)
    log.first, log.last, log.before, log.total, log.expires = 1, 0, 0, 0, 0
    return false
  end
  local most = FEW
  while log.oldest + window <= now do
    local entries, names = some(key, log, log.first, most)
    most = SOME
    local gone = {}
    for place, entry in ipairs(entries) do
      local at, sum, weight = parse(entry)
      log.oldest, log.before = at, sum - weight
      if at + window > now then
        break
      end
      table.insert(gone, names[place])
    end
    if #gone > 0 then
      redis.call('HDEL', key, unpack(gone))
    end
    log.first = log.first + #gone
  end
  return true
end

-- Returns the time until the units up to `needed` have left the window.
local function wait(key, log, window, needed)
  local from, most = log.first, FEW
  while from <= log.last do
    for _, entry in ipairs((some(key, log, from, most))) do
      local at, sum = parse(entry)
      if sum >= needed then
        return at + window - now
      end
    end
    from, most = from + most, SOME
  end
  return window
end

-- Decides on a request and notes it if it is admitted: {admitted, units used, more in, refused for}, times in microseconds.
local function decide(key, limit, window, weight, id)
  local log = read(key)
  local changed = forget(key, log, window)
  local used = log.total - log.before
  local admitted, refused_for = 1, 0
  if weight > 0 and used + weight > limit then
    admitted, refused_for = 0, wait(key, log, window, log.total + weight - limit)
  end
  if admitted == 1 and weight > 0 then
    if log.first > log.last then
      log.oldest = now
    end
    log.last, log.newest, log.total = log.last + 1, now, log.total + weight
    used = used + weight
    -- Twice as long as needed, so that not every request has to prolong it.
    local prolonged = log.expires < now + window
    if prolonged then
      log.expires = now + 2 * window
    end
    write(key, log, name(log.last), render(now, log.total, weight, id))
    if prolonged then
      redis.call('PEXPIRE', key, math.ceil(2 * window / 1000) + 1)
    end
  elseif changed then
    write(key, log)
  end
  local more_in = 0
  if log.first <= log.last then
    more_in = log.oldest + window - now
  end
  return {admitted, used, more_in, refused_for}
end

-- Removes the entry of a request, as if it had never been. The newest first: nearly always it is one of them.
local function take_back(key, id)
  local log = read(key)
  local newer
  for number = log.last, log.first, -1 do
    local entry = redis.call('HGET', key, name(number))
    local at, _, weight, rest = parse(entry)
    if string.sub(entry, rest) == id then
      if log.first == log.last then
        redis.call('DEL', key)
        return 1
      end
      for later = number + 1, log.last do
        local moved = redis.call('HGET', key, name(later))
        local its_at, sum, its, its_rest = parse(moved)
        redis.call('HSET', key, name(later - 1), render(its_at, sum - weight, its, string.sub(moved, its_rest)))
      end
      redis.call('HDEL', key, name(log.last))
      if number == log.first then
        log.oldest = newer
      end
      if number == log.last then
        log.newest = parse(redis.call('HGET', key, name(number - 1)))
      end
      log.last, log.total = log.last - 1, log.total - weight
      write(key, log)
      return 1
    end
    newer = at
  end
  return 0
end
