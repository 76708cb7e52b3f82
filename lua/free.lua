#!lua flags=allow-oom
-- free: put purchase tokens of free units on the list.
--
-- KEYS[1] ctl     hash  epoch, slot
-- KEYS[2] tokens  list  unit numbers that may be asked for
-- KEYS[3] guard   set   the same units; keeps the list free of doubles
-- ARGV[1] epoch  the caller's epoch; another one is refused
-- ARGV[2] units  up to 1000 unit numbers, separated by spaces
--
-- Returns {outcome, pushed}, where outcome is
--   freed  that many tokens were missing and are on the list
--   epoch  another epoch rules; nothing was done
--
-- Keeps each unit at most once on the list, and never there while it is in the batch in flight.

assert(#KEYS == 3 and #ARGV == 2, "free: arity")
local ctl, tokens, guard = KEYS[1], KEYS[2], KEYS[3]
local epoch, units = ARGV[1], ARGV[2]

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", 0 }
end
local in_flight = {}
local slot = redis.call("HGET", ctl, "slot")
if slot then
  for _, unit in ipairs(cjson.decode(slot).units) do
    in_flight[unit] = true
  end
end
redis.call("LLEN", tokens) -- a wrong type shows here, before any write

local pushed = 0
for unit in string.gmatch(units, "%S+") do
  if not in_flight[unit] and redis.call("SADD", guard, unit) == 1 then
    redis.call("RPUSH", tokens, unit)
    pushed = pushed + 1
  end
end
return { "freed", pushed }
