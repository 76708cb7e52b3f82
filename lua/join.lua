#!lua
-- join: give each ticket a place at the end of one sale's line.
--
-- KEYS[1] ctl     hash  epoch, counter, n, slot, version, popped_ms
-- KEYS[2] queue   zset  ticket scored by its sequence number
-- ARGV[1] epoch        the caller's epoch; another one is refused
-- ARGV[2] max_waiting  how long the line may get
-- ARGV[3] tickets      up to 1000, separated by spaces, in order of arrival
--
-- Returns {outcome, waiting, seqs, counter}, where outcome is
--   joined   seqs has one number per ticket, as text; "0" where the line was full; counter is the
--            last number that was handed out before
--   epoch    another epoch rules; nothing was done
--
-- Keeps the order of joining: a number is handed out once, and a ticket in line or in the batch in
-- flight keeps its own.

assert(#KEYS == 2 and #ARGV == 3, "join: arity")
local ctl, queue = KEYS[1], KEYS[2]
local epoch, max_waiting, tickets = ARGV[1], tonumber(ARGV[2]), ARGV[3]

if redis.call("HGET", ctl, "epoch") ~= epoch then
  return { "epoch", 0, {}, 0 }
end
local counter = tonumber(redis.call("HGET", ctl, "counter"))
local waiting = redis.call("ZCARD", queue)
-- Sequence numbers carry the epoch above 40 bits of counter; epoch 1 has plain small numbers.
local base = (tonumber(epoch) - 1) * 2 ^ 40

local seqs, given, fresh, joined = {}, {}, {}, 0
-- Who is in the batch in flight is in line, too: it may yet go back.
local slot = redis.call("HGET", ctl, "slot")
if slot then
  for _, waiter in ipairs(cjson.decode(slot).waiters) do
    given[waiter[1]] = waiter[2]
  end
end
for ticket in string.gmatch(tickets, "%S+") do
  local seq = given[ticket] or redis.call("ZSCORE", queue, ticket)
  if not seq and waiting + joined < max_waiting then
    joined = joined + 1
    seq = string.format("%.0f", base + counter + joined)
    fresh[#fresh + 1] = seq
    fresh[#fresh + 1] = ticket
  end
  given[ticket] = seq
  seqs[#seqs + 1] = seq or "0"
end
assert(joined <= 1000, "join: too many tickets")

if joined > 0 then
  redis.call("HINCRBY", ctl, "counter", joined)
  redis.call("ZADD", queue, unpack(fresh))
end
return { "joined", waiting + joined, seqs, counter }
