#!lua flags=allow-oom
-- leave: take one ticket out of the line.
--
-- KEYS[1] ctl    hash    epoch
-- KEYS[2] queue  zset    ticket scored by its sequence number
-- KEYS[3] feed   stream  what changed in the line, for the gateways' mirrors
-- ARGV[1] epoch   the caller's epoch; another one is refused
-- ARGV[2] ticket  who leaves
--
-- Returns {outcome}, where outcome is
--   left    the ticket was in line and is out
--   absent  it was not in line; nothing was done
--   epoch   another epoch rules; nothing was done
--
-- Keeps everyone else's order.

assert(#KEYS == 3 and #ARGV == 2, "leave: arity")
local ctl, queue, feed = KEYS[1], KEYS[2], KEYS[3]
local epoch, ticket = ARGV[1], ARGV[2]

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch" }
end
local seq = redis.call("ZSCORE", queue, ticket)
if not seq then
  return { "absent" }
end
redis.call("XADD", feed, "MAXLEN", "~", 10000, "*", "gone", seq)
redis.call("ZREM", queue, ticket)
return { "left" }
