#!lua flags=allow-oom
-- swap: put a rebuilt line and token list in place under a higher epoch.
--
-- KEYS[1] ctl          hash    epoch, counter, n, slot, version, popped_ms
-- KEYS[2] queue        zset    the line
-- KEYS[3] tokens       list    the tokens
-- KEYS[4] guard        set     the tokens again
-- KEYS[5] feed         stream  what changed in the line
-- KEYS[6] next_queue   zset    the line, rebuilt; may be missing when it is empty
-- KEYS[7] next_tokens  list    the tokens, rebuilt; may be missing when there are none
-- KEYS[8] next_guard   set     the tokens again, rebuilt
-- ARGV[1] epoch    the new epoch
-- ARGV[2] version  the least version that states of this epoch may carry
-- ARGV[3] waiters  how many the rebuilt line has
-- ARGV[4] units    how many the rebuilt token list has
--
-- Returns {outcome, epoch}, where outcome is
--   swapped  the rebuilt keys are in place
--   older    the same or a higher epoch rules already; the rebuilt keys were thrown away
--   torn     Redis lost some of what was loaded; the rest was thrown away
--
-- Keeps the epoch rising: a rebuild that was overtaken can never come back.

assert(#KEYS == 8 and #ARGV == 4, "swap: arity")
local ctl, queue, tokens, guard, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local next_queue, next_tokens, next_guard = KEYS[6], KEYS[7], KEYS[8]
local epoch, version = tonumber(ARGV[1]), tonumber(ARGV[2])
local waiters, units = tonumber(ARGV[3]), tonumber(ARGV[4])

local rules = tonumber(redis.call("HGET", ctl, "epoch") or "-1")
if rules >= epoch then
  redis.call("UNLINK", next_queue, next_tokens, next_guard)
  return { "older", rules }
end
if redis.call("ZCARD", next_queue) ~= waiters or redis.call("LLEN", next_tokens) ~= units
  or redis.call("SCARD", next_guard) ~= units then
  redis.call("UNLINK", next_queue, next_tokens, next_guard)
  return { "torn", rules }
end
version = math.max(version, tonumber(redis.call("HGET", ctl, "version") or "0"))

redis.call("UNLINK", ctl, queue, tokens, guard, feed)
if redis.call("EXISTS", next_queue) == 1 then
  redis.call("RENAME", next_queue, queue)
  redis.call("PERSIST", queue)
end
if redis.call("EXISTS", next_tokens) == 1 then
  redis.call("RENAME", next_tokens, tokens)
  redis.call("RENAME", next_guard, guard)
  redis.call("PERSIST", tokens)
  redis.call("PERSIST", guard)
end
redis.call("HSET", ctl, "epoch", epoch, "counter", 0, "n", 0, "version", string.format("%.0f", version))
return { "swapped", epoch }
