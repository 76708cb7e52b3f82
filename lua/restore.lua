#!lua
-- restore: put waiting tickets back into the line at the numbers they already have.
--
-- KEYS[1] ctl    hash    epoch, slot
-- KEYS[2] queue  zset    ticket scored by its sequence number
-- KEYS[3] feed   stream  what changed in the line, for the gateways' mirrors
-- ARGV[1] epoch    the caller's epoch; another one is refused
-- ARGV[2] waiters  up to 1000 pairs "ticket seq", all separated by spaces
--
-- Returns {outcome, restored}, where outcome is
--   restored  that many tickets were missing and are back
--   epoch     another epoch rules; nothing was done
--
-- Keeps order: the number decides the place. Skips who is in line or in the batch in flight.

assert(#KEYS == 3 and #ARGV == 2, "restore: arity")
local ctl, queue, feed = KEYS[1], KEYS[2], KEYS[3]
local epoch, waiters = ARGV[1], ARGV[2]

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", 0 }
end
local in_flight = {}
local slot = redis.call("HGET", ctl, "slot")
if slot then
  for _, waiter in ipairs(cjson.decode(slot).waiters) do
    in_flight[waiter[1]] = true
  end
end

local missing, seqs = {}, {}
for ticket, seq in string.gmatch(waiters, "(%S+) (%S+)") do
  if not in_flight[ticket] and not redis.call("ZSCORE", queue, ticket) then
    missing[#missing + 1] = seq
    missing[#missing + 1] = ticket
    seqs[#seqs + 1] = seq
  end
end
assert(#seqs <= 1000, "restore: too many waiters")
if #seqs > 0 then
  redis.call("XADD", feed, "MAXLEN", "~", 10000, "*", "back", table.concat(seqs, " "))
  redis.call("ZADD", queue, unpack(missing))
end
return { "restored", #seqs }
