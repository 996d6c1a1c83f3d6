"""What runs inside Redis or Valkey, so that it is one step for everybody: one key each, as a Cluster demands.

A call that got no answer is sent once more. Each therefore carries a word of its own (`once`), by which a script sees
that its work was done the first time. Times come from the caller; the key's own life is a broom for what is left.

A record is a hash: v version, s sealed, c summary, e ends, u user key, p provider's session key, w the last `once`.
"""

CREATE = """
local before = redis.call('HGET', KEYS[1], 'w')
if before then return before == ARGV[1] and 1 or 0 end
redis.call('HSET', KEYS[1], 'w', ARGV[1], 'v', ARGV[2], 's', ARGV[3], 'c', ARGV[4])
redis.call('HSET', KEYS[1], 'e', ARGV[5], 'u', ARGV[6], 'p', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return 1
"""
"""ARGV: once, version, sealed, summary, ends, user key, sid key, milliseconds. 0: there is one already."""

UPDATE = """
local found = redis.call('HMGET', KEYS[1], 'v', 'w')
if not found[1] then return {0, 0} end
if found[2] == ARGV[1] then return {1, 1} end
if found[1] ~= ARGV[2] then return {0, 1} end
redis.call('HSET', KEYS[1], 'w', ARGV[1], 's', ARGV[3], 'c', ARGV[4], 'e', ARGV[5], 'u', ARGV[6], 'p', ARGV[7])
redis.call('HINCRBY', KEYS[1], 'v', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return {1, 1}
"""
"""ARGV as for CREATE. Gives: written, still there."""

DELETE = """
local found = redis.pcall('HMGET', KEYS[1], 'v', 's', 'c', 'e', 'u', 'p')
if found.err then found = {'', '', '', '', '', ''} end
redis.call('DEL', KEYS[1])
return found
"""
"""Gives: the fields of the record as it was; only nothing where there was none."""

INDEX = """
local score = redis.pcall('ZSCORE', KEYS[1], ARGV[1])
if type(score) == 'table' then redis.call('DEL', KEYS[1]) score = false end
if not score or tonumber(score) < tonumber(ARGV[2]) then redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[3], 'LIMIT', 0, 20)
"""
"""ARGV: record id, ends, now, milliseconds. Gives some of the records that should have ended by now.

What is no sorted set was not written by us, and nobody could sign in as long as it is there.
"""

MARK = """
local found = redis.call('GET', KEYS[1])
if found then
  local ends, once = string.match(found, '^(%S+) (%S+)$')
  if once == ARGV[1] then return 1 end
  if ends and tonumber(ends) > tonumber(ARGV[2]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[1], 'PX', ARGV[4])
return 1
"""
"""ARGV: once, now, ends, milliseconds."""

LEASE = """
local found = redis.call('GET', KEYS[1])
if found then
  local ends, owner = string.match(found, '^(%S+) (%S+)$')
  local held = ends and tonumber(ends) > tonumber(ARGV[2]) and tonumber(ends) <= tonumber(ARGV[4])
  if held and owner ~= ARGV[1] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[1], 'PX', ARGV[5])
return 1
"""
"""ARGV: owner, now, ends, the latest end that is believed, milliseconds."""

RELEASE = """
local found = redis.call('GET', KEYS[1])
if found and string.match(found, '^%S+ (%S+)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
"""ARGV: owner."""
