#!lua flags=allow-oom
-- clear: empty the line up to a sequence number, one page a call, when a sale is over for it.
--
-- KEYS[1] ctl    hash    epoch
-- KEYS[2] queue  zset    ticket scored by its sequence number
-- KEYS[3] feed   stream  what changed in the line, for the gateways' mirrors
-- ARGV[1] epoch  the caller's epoch; another one is refused
-- ARGV[2] upto   the highest sequence number to remove
-- ARGV[3] page   how many to remove at the most in this call
--
-- Returns {outcome, removed}, where outcome is
--   cleared  that many tickets were removed; 0 when it is done
--   epoch    another epoch rules; nothing was done
--
-- Keeps who joined after `upto`.

assert(#KEYS == 3 and #ARGV == 3, "clear: arity")
local ctl, queue, feed = KEYS[1], KEYS[2], KEYS[3]
local epoch, upto, page = ARGV[1], ARGV[2], tonumber(ARGV[3])
assert(page >= 1 and page <= 10000, "clear: page")

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", 0 }
end
local removed = math.min(page, redis.call("ZCOUNT", queue, "-inf", upto))
if removed > 0 then
  local last = redis.call("ZRANGE", queue, removed - 1, removed - 1, "WITHSCORES")[2]
  redis.call("XADD", feed, "MAXLEN", "~", 10000, "*", "clear", last)
  redis.call("ZREMRANGEBYRANK", queue, 0, removed - 1)
end
return { "cleared", removed }
