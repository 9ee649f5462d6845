-- A device of a user: its own log, and its pace as in device.rs. KEYS: its log; its state. ARGV: limit, window in microseconds,
-- weight, id; now in milliseconds, the first interval in milliseconds, good arrivals to the next, how many intervals there are,
-- for how many milliseconds the state is kept.
local decision = decide(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
if decision[1] == 1 then
  local arrived, first = tonumber(ARGV[5]), tonumber(ARGV[6])
  local every, most = tonumber(ARGV[7]), tonumber(ARGV[8])
  local state = redis.call('HMGET', KEYS[2], 'at', 'run', 'bad', 'memory')
  local at, run, bad = tonumber(state[1] or ''), tonumber(state[2] or '') or 0, state[3] == '1'
  local interval = first * math.min(math.floor(run / every) + 1, most)
  local paced = not at or arrived >= at + interval * 4 / 5
  local noted = 0
  if not bad then
    noted = paced and run + 1 or run
  end
  redis.call('HSET', KEYS[2], 'at', ARGV[5], 'run', noted, 'at0', state[1] or '', 'run0', run)
  redis.call('PEXPIRE', KEYS[2], ARGV[9])
  table.insert(decision, run)
  table.insert(decision, paced and 1 or 0)
  table.insert(decision, bad and 1 or 0)
  table.insert(decision, state[4] or '')
end
return decision
