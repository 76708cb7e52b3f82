#!lua flags=no-writes
-- page: read the line in order, one page a call, for a mirror that starts anew.
--
-- KEYS[1] ctl    hash  epoch, slot
-- KEYS[2] queue  zset  ticket scored by its sequence number
-- ARGV[1] epoch  the caller's epoch; another one is refused
-- ARGV[2] after  read only numbers above this one
-- ARGV[3] page   how many to read at the most
--
-- Returns {outcome, queued, in_flight}, where outcome is
--   read   queued has this page of the line, in order, and in_flight the batch in flight, each
--          waiter as ticket and seq
--   epoch  another epoch rules; nothing was read
--
-- Keeps everything as it is. Reading the batch with each page means that a ticket which is popped
-- between two pages is seen all the same.

assert(#KEYS == 2 and #ARGV == 3, "page: arity")
local ctl, queue = KEYS[1], KEYS[2]
local epoch, after, page = ARGV[1], ARGV[2], tonumber(ARGV[3])
assert(page >= 1 and page <= 10000, "page: page")

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", {}, {} }
end
local in_flight = {}
local slot = redis.call("HGET", ctl, "slot")
if slot then
  for _, waiter in ipairs(cjson.decode(slot).waiters) do
    in_flight[#in_flight + 1] = waiter[1]
    in_flight[#in_flight + 1] = waiter[2]
  end
end
return {
  "read",
  redis.call("ZRANGEBYSCORE", queue, "(" .. after, "+inf", "WITHSCORES", "LIMIT", 0, page),
  in_flight,
}
