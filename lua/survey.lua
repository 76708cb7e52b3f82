#!lua flags=allow-oom
-- survey: what a gateway's mirror of the line needs since it last looked.
--
-- KEYS[1] ctl     hash    epoch, counter, n, slot, version, ledger
-- KEYS[2] queue   zset    ticket scored by its sequence number
-- KEYS[3] tokens  list    unit numbers that may be asked for
-- KEYS[4] feed    stream  what changed in the line
-- ARGV[1] epoch  the caller's epoch; another one is answered with the one that rules
-- ARGV[2] since   the last feed entry the caller has seen; empty to look and write nothing
-- ARGV[3] page    how many feed entries to return at the most
-- ARGV[4] seen    the version that the caller was given last in this epoch; 0 for none
-- ARGV[5] ledger  how many changes the caller has seen in Postgres
--
-- Returns {outcome, epoch, version, counter, n, waiting, in_flight, tokens, last, entries, ledger},
-- where outcome is
--   seen     waiting counts the line and in_flight the batch; entries are [kind, value] pairs, in
--            order; last is the newest entry returned, or the newest there is when none was;
--            ledger is the most changes that any caller has seen in Postgres
--   lost     Redis does not know of a survey that the caller made: it lost what was written since
--   epoch    another epoch rules; the numbers are zero
--   layout   a later version keeps the sale, in its own way; the numbers are zero
--   missing  Redis does not know the sale
--
-- Keeps version rising: each survey gets a number above all before it, so that states made from two
-- surveys compare, whichever gateway made them. It counts 64 to a Unix millisecond; the steps between
-- two surveys are for what a gateway shows anew without having looked. A version that fell tells that
-- Redis went back in time, and a ledger that fell tells it of Postgres.

assert(#KEYS == 4 and #ARGV == 5, "survey: arity")
local ctl, queue, tokens, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local STEPS = 64 -- to a millisecond, and at least between two surveys
local epoch, since, page = ARGV[1], ARGV[2], tonumber(ARGV[3])
local seen, ledger = tonumber(ARGV[4]), tonumber(ARGV[5])

local rules = redis.call("HGET", ctl, "epoch")
if not rules then
  return { "missing", 0, 0, 0, 0, 0, 0, 0, "", {}, 0 }
end
if not string.match(rules, "^%d+$") then
  return { "layout", 0, 0, 0, 0, 0, 0, 0, "", {}, 0 }
end
if rules ~= epoch then
  return { "epoch", tonumber(rules), 0, 0, 0, 0, 0, 0, "", {}, 0 }
end
local version = tonumber(redis.call("HGET", ctl, "version") or "0")
if version < seen then
  return { "lost", tonumber(rules), 0, 0, 0, 0, 0, 0, "", {}, 0 }
end
ledger = math.max(ledger, tonumber(redis.call("HGET", ctl, "ledger") or "0"))

local in_flight = 0
local slot = redis.call("HGET", ctl, "slot")
if slot then
  in_flight = #cjson.decode(slot).waiters
end
local entries, last = {}, since
if since ~= "" then
  for _, entry in ipairs(redis.call("XRANGE", feed, "(" .. since, "+", "COUNT", page)) do
    entries[#entries + 1] = entry[2]
    last = entry[1]
  end
else
  local newest = redis.call("XREVRANGE", feed, "+", "-", "COUNT", 1)[1]
  last = newest and newest[1] or "0-0"
end

-- Who does not follow the line yet must not hide from the others that Redis went back.
if since ~= "" then
  local now = redis.call("TIME")
  local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
  version = math.max(now_ms * STEPS, version + STEPS)
  redis.call("HSET", ctl, "version", string.format("%.0f", version), "ledger", string.format("%.0f", ledger))
end
return {
  "seen", tonumber(rules), version, tonumber(redis.call("HGET", ctl, "counter")),
  tonumber(redis.call("HGET", ctl, "n")), redis.call("ZCARD", queue), in_flight,
  redis.call("LLEN", tokens), last, entries, ledger,
}
