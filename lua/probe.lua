#!lua flags=allow-oom
-- probe: run once, on keys that nobody reads, every command that the scripts and a rebuild run.
--
-- KEYS[1] scratch  any  gone again at the end
-- KEYS[2] spare    any  the same
--
-- Returns {outcome, now_ms, denied}, where outcome is
--   probed  denied has a pair for each command that Redis refused: its name, and Redis's words
--
-- Keeps Redis as it was: both keys are gone, or go within a minute where UNLINK was refused.

assert(#KEYS == 2 and #ARGV == 0, "probe: arity")
local scratch, spare = KEYS[1], KEYS[2]

local denied = {}
local function try(command, ...)
  local answer = redis.pcall(command, ...)
  if type(answer) == "table" and answer.err then
    denied[#denied + 1] = { command, answer.err }
  end
  return answer
end

local now = try("TIME")
local now_ms = now.err and 0 or now[1] * 1000 + math.floor(now[2] / 1000)

try("HSET", scratch, "field", 1)
try("HGET", scratch, "field")
try("HINCRBY", scratch, "field", 1)
try("HDEL", scratch, "field")
try("EXISTS", scratch)
try("UNLINK", scratch)

try("RPUSH", scratch, 1, 2)
-- Renaming needs something to rename. Without RPUSH there is nothing, and that is told already.
if #denied == 0 then
  try("RENAME", scratch, spare)
  try("RENAME", spare, scratch)
end
try("EXPIRE", scratch, 60)
try("PERSIST", scratch)
try("LLEN", scratch)
try("LRANGE", scratch, 0, -1)
try("LREM", scratch, 0, 2)
try("LTRIM", scratch, 1, 0)
try("UNLINK", scratch)

try("SADD", scratch, 1)
try("SCARD", scratch)
try("SREM", scratch, 1)
try("UNLINK", scratch)

try("XADD", scratch, "1-1", "field", 1)
try("XRANGE", scratch, "-", "+", "COUNT", 1)
try("XREVRANGE", scratch, "+", "-", "COUNT", 1)
try("UNLINK", scratch)

try("ZADD", scratch, 1, "a", 2, "b")
try("ZCARD", scratch)
try("ZCOUNT", scratch, "-inf", "+inf")
try("ZSCORE", scratch, "a")
try("ZRANGE", scratch, 0, -1)
try("ZRANGEBYSCORE", scratch, "-inf", "+inf")
try("ZREM", scratch, "a")
try("ZREMRANGEBYRANK", scratch, 0, -1)
try("EXPIRE", scratch, 60)
try("UNLINK", scratch)

return { "probed", now_ms, denied }
