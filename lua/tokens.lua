#!lua flags=no-writes
-- tokens: read one page of the token list and the units in flight, for the audit.
--
-- KEYS[1] ctl     hash  epoch, n, slot
-- KEYS[2] tokens  list  unit numbers that may be asked for
-- ARGV[1] epoch  the caller's epoch; another one is refused
-- ARGV[2] from   where in the list the page begins, from 0; below 0: so many before its end, at least a page
-- ARGV[3] page   how many to read at the most
--
-- Returns {outcome, units, in_flight}, where outcome is
--   read   units has this page of the list, in_flight the units of the batch in flight
--   epoch  another epoch rules; nothing was read
--
-- Keeps everything as it is.

assert(#KEYS == 2 and #ARGV == 3, "tokens: arity")
local ctl, tokens = KEYS[1], KEYS[2]
local epoch, from, page = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
assert(page >= 1 and page <= 10000, "tokens: page")
assert(from >= 0 or page <= -from, "tokens: from")

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", {}, {} }
end
local slot = redis.call("HGET", ctl, "slot")
return {
  "read",
  redis.call("LRANGE", tokens, from, from + page - 1),
  slot and cjson.decode(slot).units or {},
}
