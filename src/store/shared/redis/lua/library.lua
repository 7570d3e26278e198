-- What the scripts have in common. `LEGAL`, the table of legal steps, stands before this text: it is
-- made of the one function that knows them.

-- The time in milliseconds: the server's, unless one was given.
local function time_of(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A time as documents write it. Texts of this form sort by time.
local function stamp(ms)
  local days = math.floor(ms / 86400000)
  local rest = ms - days * 86400000
  local shifted = days + 719468
  local era = math.floor(shifted / 146097)
  local of_era = shifted - era * 146097
  local year_of_era = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year_of_era + math.floor(year_of_era / 4) - math.floor(year_of_era / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  local year = year_of_era + era * 400
  if month <= 2 then year = year + 1 end
  local seconds = math.floor(rest / 1000)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day,
    math.floor(seconds / 3600), math.floor(seconds / 60) % 60, seconds % 60, rest % 1000)
end

local function whole(number) return string.format('%.0f', number) end

-- The text under a key; nothing where there is none, or something that is no text.
local function text_of(key)
  local text = redis.pcall('GET', key)
  if type(text) == 'string' then return text end
  return nil
end

local function document(text)
  if not text then return nil end
  local read, value = pcall(cjson.decode, text)
  if read and type(value) == 'table' then return value end
  return nil
end

local function put(key, text, ttl)
  if ttl > 0 then redis.call('SET', key, text, 'PX', whole(ttl)) else redis.call('SET', key, text) end
end

-- The status record under a key, and its text. What is no record counts as not there: its one
-- writer will put it right.
local function status_of(key)
  local text = text_of(key)
  local record = document(text)
  if record and type(record.run_id) == 'string' and type(record.status) == 'string'
    and type(record.revision) == 'number' and type(record.fence) == 'number' then
    return record, text
  end
  return nil
end

local function lease_of(key)
  local text = text_of(key)
  local lease = document(text)
  if lease and type(lease['until']) == 'string' and type(lease.fence) == 'number' then
    return lease, text
  end
  return nil
end

-- The text of the lease of a run, if it holds. `dead` has the texts of those whose holder is known
-- to be dead.
local function holder_of(prefix, run, now, dead)
  local lease, text = lease_of(prefix .. 'run:' .. run .. ':lease')
  if lease and lease['until'] > stamp(now) and not dead[text] then return text end
  return nil
end

local function set_of(json)
  local set = {}
  for _, text in ipairs(document(json) or {}) do set[text] = true end
  return set
end

-- Puts a lease under its key, for so many milliseconds from the server's time on.
local function hold(key, json, now, length, ttl)
  local text = string.gsub(json, '"until":"[^"]*"', function() return '"until":"' .. stamp(now + length) .. '"' end, 1)
  put(key, text, ttl)
end

-- The rule for status writes, the same as `decide` of the store: what may be written over what.
-- Returns `write`, `keep`, or a refusal.
local function decide(stored, text, write)
  if not stored then return 'write' end
  local own = stored.run_id == write.run
  if not own and stored.status ~= 'skipped' then
    local lease = write.holder(stored.run_id)
    if lease then return 'held', { 'held', write.place, stored.run_id, lease } end
  end
  if stored.fence > write.fence then return 'stale', { 'stale', whole(stored.fence) } end
  if own and text == write.json then return 'keep' end
  if write.mode == 'claim' then
    if own and stored.revision == write.revision then return 'keep' end
    return 'write'
  end
  if write.mode == 'mend' and own and stored.revision > write.revision then return 'keep' end
  if write.mode ~= 'follow' or not own then return 'write' end
  if stored.revision ~= write.expected then
    return 'conflict', { 'conflict', write.place, whole(write.expected), whole(stored.revision) }
  end
  local from = stored.status
  for to in string.gmatch(write.steps, '[^,]+') do
    if not LEGAL[from .. '>' .. to] then return 'illegal', { 'illegal', write.place, from, to } end
    from = to
  end
  return 'write'
end

-- The number of the last entry of a stream.
local function last_of(key)
  if redis.call('TYPE', key).ok ~= 'stream' then return 0 end
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  if last[1] then return tonumber(string.match(last[1][1], '^%d+')) end
  return 0
end

local function append(key, number, json)
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'stream' and kind ~= 'none' then redis.call('DEL', key) end
  redis.call('XADD', key, whole(number) .. '-0', 'json', json)
end
