#!lua
-- admit: take the front of the line and as many purchase tokens off their lists, as one batch.
--
-- KEYS[1] ctl     hash    epoch, n, slot, popped_ms
-- KEYS[2] queue   zset    ticket scored by its sequence number
-- KEYS[3] tokens  list    unit numbers that may be asked for
-- KEYS[4] guard   set     the same units; keeps the list free of doubles
-- KEYS[5] feed    stream  what changed in the line, for the gateways' mirrors
-- ARGV[1] epoch        the caller's epoch; another one is refused
-- ARGV[2] recorded_n   the last batch of this epoch that Postgres has
-- ARGV[3] max          the most to take, 0…100; 0 only acknowledges
-- ARGV[4] interval_ms  the least time between two batches
-- ARGV[5] ack_n        the batch that the caller has seen recorded; 0 for none
-- ARGV[6] requeue      tickets of that batch that go back into line, separated by spaces
-- ARGV[7] spare        units of that batch that go back on the list, separated by spaces
--
-- Returns {outcome, n, slot, wait_ms}, where outcome is
--   batch  batch n is in flight: slot is {"waiters": [[ticket, seq]…], "units": [unit…]} as JSON
--   empty  nobody waits, no token is left, or max was 0
--   pace   the next batch is due in wait_ms
--   ahead  Redis knows a later batch than the caller; read Postgres again
--   lost   Postgres knows a later batch than Redis: Redis lost data
--   epoch  another epoch rules; nothing was done
--
-- Keeps one batch in flight until it is acknowledged, and returns the same one until then, so a lost
-- reply, a crash and two admitters at once are the same case. Scripts do not roll back: it reads
-- first, writes the slot, and only then removes.

assert(#KEYS == 5 and #ARGV == 7, "admit: arity")
local ctl, queue, tokens, guard, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, recorded_n, max, interval_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ack_n, requeue, spare = tonumber(ARGV[5]), ARGV[6], ARGV[7]
assert(max >= 0 and max <= 100, "admit: max")

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", 0, "", 0 }
end
local n = tonumber(redis.call("HGET", ctl, "n"))
if n < recorded_n then
  return { "lost", n, "", 0 }
end

local slot = redis.call("HGET", ctl, "slot")
if slot and ack_n == n then
  local back = {}
  for ticket in string.gmatch(requeue, "%S+") do
    back[ticket] = true
  end
  local gone = {}
  for _, waiter in ipairs(cjson.decode(slot).waiters) do
    if back[waiter[1]] then
      redis.call("ZADD", queue, "NX", waiter[2], waiter[1])
    else
      gone[#gone + 1] = waiter[2]
    end
  end
  for unit in string.gmatch(spare, "%S+") do
    if redis.call("SADD", guard, unit) == 1 then
      redis.call("RPUSH", tokens, unit)
    end
  end
  if #gone > 0 then
    redis.call("XADD", feed, "MAXLEN", "~", 10000, "*", "gone", table.concat(gone, " "))
  end
  redis.call("HDEL", ctl, "slot")
  slot = false
end
if slot then
  return { "batch", n, slot, 0 }
end
if n > recorded_n then
  return { "ahead", n, "", 0 }
end

local now = redis.call("TIME")
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local popped_ms = tonumber(redis.call("HGET", ctl, "popped_ms") or "0")
-- A clock that jumped back must not stop admissions for longer than one interval.
if now_ms >= popped_ms and now_ms - popped_ms < interval_ms then
  return { "pace", n, "", interval_ms - (now_ms - popped_ms) }
end
local take = math.min(max, redis.call("LLEN", tokens), redis.call("ZCARD", queue))
if take == 0 then
  return { "empty", n, "", 0 }
end
redis.call("SCARD", guard) -- a wrong type shows here, before any write

local units = redis.call("LRANGE", tokens, 0, take - 1)
local scored = redis.call("ZRANGE", queue, 0, take - 1, "WITHSCORES")
local waiters = {}
for i = 1, take do
  waiters[i] = { scored[2 * i - 1], scored[2 * i] }
end
slot = cjson.encode({ waiters = waiters, units = units })
redis.call("HSET", ctl, "n", n + 1, "slot", slot, "popped_ms", string.format("%.0f", now_ms))
redis.call("LTRIM", tokens, take, -1)
redis.call("SREM", guard, unpack(units))
redis.call("ZREMRANGEBYRANK", queue, 0, take - 1)
return { "batch", n + 1, slot, 0 }
