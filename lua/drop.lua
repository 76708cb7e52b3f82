#!lua flags=allow-oom
-- drop: take purchase tokens off the list whose units are not free.
--
-- KEYS[1] ctl     hash  epoch
-- KEYS[2] tokens  list  unit numbers that may be asked for
-- KEYS[3] guard   set   the same units
-- ARGV[1] epoch  the caller's epoch; another one is refused
-- ARGV[2] units  up to 1000 unit numbers, separated by spaces
--
-- Returns {outcome, dropped}, where outcome is
--   dropped  that many tokens were on the list and are off it
--   epoch    another epoch rules; nothing was done
--
-- Keeps list and guard set equal. A unit dropped by mistake is put back by the next audit. While no unit is on the
-- list twice, the search for one begins at the end and stops where it is found: the units of a withdrawal are there,
-- and a whole list of ten million takes 0.2 s for each unit, in which Redis answers nobody.

assert(#KEYS == 3 and #ARGV == 2, "drop: arity")
local ctl, tokens, guard = KEYS[1], KEYS[2], KEYS[3]
local epoch, units = ARGV[1], ARGV[2]

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", 0 }
end
local count = redis.call("LLEN", tokens) == redis.call("SCARD", guard) and -1 or 0
local dropped = 0
for unit in string.gmatch(units, "%S+") do
  dropped = dropped + redis.call("LREM", tokens, count, unit)
  redis.call("SREM", guard, unit)
end
return { "dropped", dropped }
