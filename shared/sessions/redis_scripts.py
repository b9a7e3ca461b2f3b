"""What the Redis store does, as Lua: Redis runs a script from beginning to end and nothing else meanwhile.

Keys, all behind one prefix:

    session:<id>      hash: data (JSON), state, offset, epoch, run
    receipts:<id>     hash: chunk number → receipt
    lease:<state>     sorted set of ids by lease_until; its size is the count of the state
    expiry            sorted set of ids by expires_at, of those that can expire
    owners            hash: owner → bytes that its unfinished sessions declare

``run`` is Redis' run id at the last change; every start and every server has another. Where it is not the one
of now, Redis was restarted or replaced in between, and changes after this one may be forgotten. Such a
session is doubtful, and only who knows that may change it.
"""

from __future__ import annotations

from typing import Final

_PRELUDE: Final = """
local prefix = KEYS[1]
local function key(name) return prefix .. name end
local function run()
    return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
local function unfinished()
    return redis.call('ZCARD', key('lease:uploading')) + redis.call('ZCARD', key('lease:finalizing'))
end
local function count(owner, size)
    -- As a decimal text: sums may be larger than what Lua counts exactly.
    local bytes = redis.call('HINCRBYFLOAT', key('owners'), owner, size)
    if bytes == '0' then redis.call('HDEL', key('owners'), owner) end
end
local function put(id, data, state, offset, epoch, lease, expiry, in_run)
    redis.call('HSET', key('session:' .. id),
        'data', data, 'state', state, 'offset', offset, 'epoch', epoch, 'run', in_run)
    redis.call('ZADD', key('lease:' .. state), lease, id)
    if expiry == '' then redis.call('ZREM', key('expiry'), id)
    else redis.call('ZADD', key('expiry'), expiry, id) end
end
local function current(id, state, offset, epoch, doubtful)
    local there = redis.call('HMGET', key('session:' .. id), 'state', 'offset', 'epoch', 'run')
    if there[1] ~= state or there[2] ~= offset or there[3] ~= epoch then return false end
    local now = run()
    if there[4] ~= now and doubtful ~= '1' then return false end
    return there[4], now
end
local function found(ids)
    local answer, now = {}, run()
    for _, id in ipairs(ids) do
        local there = redis.call('HMGET', key('session:' .. id), 'data', 'run')
        if there[1] then table.insert(answer, {there[1], there[2] == now and 0 or 1}) end
    end
    return answer
end
"""

INSERT: Final = (
    _PRELUDE
    + """
local id, data, state, offset, epoch, lease, expiry, counts, owner, size, most, quota = unpack(ARGV)
if redis.call('EXISTS', key('session:' .. id)) == 1 then return {'taken'} end
if counts == '1' then
    local sessions = unfinished()
    local bytes = redis.call('HGET', key('owners'), owner) or '0'
    if (most ~= '' and sessions >= tonumber(most))
        or (quota ~= '' and tonumber(bytes) + tonumber(size) > tonumber(quota)) then
        return {'refused', sessions, bytes}
    end
    count(owner, size)
end
put(id, data, state, offset, epoch, lease, expiry, run())
return {'added'}
"""
)

ROOM: Final = _PRELUDE + "return {unfinished(), redis.call('HGET', key('owners'), ARGV[1]) or '0'}"

GET: Final = _PRELUDE + "return found({ARGV[1]})"

IN_STATE: Final = _PRELUDE + "return found(redis.call('ZRANGE', key('lease:' .. ARGV[1]), 0, ARGV[2] - 1))"

EXPIRED: Final = (
    _PRELUDE
    + "return found(redis.call('ZRANGEBYSCORE', key('expiry'), '-inf', ARGV[1], 'LIMIT', 0, ARGV[2]))"
)

REPLACE: Final = (
    _PRELUDE
    + """
local id, state, offset, epoch, doubtful = unpack(ARGV, 1, 5)
local then_run, now_run = current(id, state, offset, epoch, doubtful)
if not then_run then return 0 end
local old_owner, old_size, new_owner, new_size = unpack(ARGV, 6, 9)
if old_size ~= '' then count(old_owner, '-' .. old_size) end
if new_size ~= '' then count(new_owner, new_size) end
local data, new_state, new_offset, new_epoch, lease, expiry, still_doubtful = unpack(ARGV, 10, 16)
if new_state ~= state then redis.call('ZREM', key('lease:' .. state), id) end
put(id, data, new_state, new_offset, new_epoch, lease, expiry, still_doubtful == '1' and then_run or now_run)
if ARGV[17] then redis.call('HSET', key('receipts:' .. id), ARGV[17], ARGV[18]) end
return 1
"""
)

DELETE: Final = (
    _PRELUDE
    + """
local id, state, offset, epoch, doubtful, owner, size = unpack(ARGV)
if not current(id, state, offset, epoch, doubtful) then return 0 end
if size ~= '' then count(owner, '-' .. size) end
redis.call('DEL', key('session:' .. id), key('receipts:' .. id))
redis.call('ZREM', key('lease:' .. state), id)
redis.call('ZREM', key('expiry'), id)
return 1
"""
)
