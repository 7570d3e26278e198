-- Writes what one turn of a run came to, or nothing: its lease, its events, the status records that
-- they cause, its place in the index, its plan.
--
-- KEYS: lease, events, index, plan, then one for each status record.
-- ARGV: prefix, run, fence, time, ttl, dead leases, how the lease is meant (none, take, renew), the
--   lease, its length, entry of the index, project, plan, number of events, then number and text of
--   each event, then of each record: mode, expected revision, revision, steps, whether it yields, text.
local prefix, run, fence = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now, ttl, dead = time_of(ARGV[4]), tonumber(ARGV[5]), set_of(ARGV[6])

local lease, lease_text = lease_of(KEYS[1])
if ARGV[7] == 'take' and lease then
  local mine = document(ARGV[8])
  local same = lease.host == mine.host and lease.pid == mine.pid and lease.pid_started == mine.pid_started
  if not same and lease['until'] > stamp(now) and not dead[lease_text] then
    return { 'held', 0, run, lease_text }
  end
  if lease.fence > fence then return { 'stale', whole(lease.fence) } end
elseif ARGV[7] == 'renew' and lease and lease.fence ~= fence then
  return { 'stale', whole(lease.fence) }
end

local events = tonumber(ARGV[13])
local at = 14
local last = events > 0 and last_of(KEYS[2]) or 0
local fresh = {}
for _ = 1, events do
  local number = tonumber(ARGV[at])
  if number > last + #fresh then
    if number ~= last + #fresh + 1 then return { 'gap', whole(last) } end
    fresh[#fresh + 1] = ARGV[at + 1]
  end
  at = at + 2
end

local known = {}
local function holder(other)
  if known[other] == nil then known[other] = holder_of(prefix, other, now, dead) or false end
  return known[other]
end
local writes = {}
for place = 5, #KEYS do
  local write = {
    run = run, fence = fence, holder = holder, place = place - 4, mode = ARGV[at],
    expected = tonumber(ARGV[at + 1]), revision = tonumber(ARGV[at + 2]), steps = ARGV[at + 3],
    json = ARGV[at + 5],
  }
  local stored, text = status_of(KEYS[place])
  local verdict, refusal = decide(stored, text, write)
  if verdict == 'write' then
    writes[#writes + 1] = { KEYS[place], write.json }
  elseif refusal and not (ARGV[at + 4] == '1' and (verdict == 'held' or verdict == 'stale')) then
    return refusal
  end
  at = at + 6
end

-- Nothing above has written anything, and nothing below refuses.
for place, json in ipairs(fresh) do append(KEYS[2], last + place, json) end
if #fresh > 0 and ttl > 0 then redis.call('PEXPIRE', KEYS[2], whole(ttl)) end
for _, write in ipairs(writes) do put(write[1], write[2], ttl) end
if ARGV[7] ~= 'none' then hold(KEYS[1], ARGV[8], now, tonumber(ARGV[9]), ttl) end
if ARGV[12] ~= '' then put(KEYS[4], ARGV[12], ttl) end
if ARGV[10] ~= '' then
  local mine = document(ARGV[10])
  local index = document(text_of(KEYS[3])) or {}
  local runs, oldest = { mine }, stamp(now - ttl)
  if type(index.runs) == 'table' then
    for _, other in ipairs(index.runs) do
      local whole_entry = type(other) == 'table' and type(other.started_at) == 'string'
        and type(other.updated_at) == 'string' and type(other.run_id) == 'string'
      if whole_entry and other.run_id ~= mine.run_id and (ttl == 0 or other.updated_at > oldest) then
        runs[#runs + 1] = other
      end
    end
  end
  table.sort(runs, function(one, other)
    if one.started_at ~= other.started_at then return one.started_at > other.started_at end
    return one.run_id > other.run_id
  end)
  while #runs > 100 do table.remove(runs) end
  local updated_at = mine.updated_at
  if type(index.updated_at) == 'string' and index.updated_at > updated_at then updated_at = index.updated_at end
  put(KEYS[3], cjson.encode({
    schema = 'shared-state/v1', project = ARGV[11], runs = runs, updated_at = updated_at,
  }), ttl)
end
return { 'done', #writes }
