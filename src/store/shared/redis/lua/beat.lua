-- Says that a supervisor is alive: extends its lease, moves the heartbeat of the tasks under way,
-- puts off the end of all its keys. Answers how many of them are gone.
--
-- KEYS: lease, then the records of tasks under way, then the other keys of the run.
-- ARGV: run, fence, time, ttl, the lease (empty: leave it alone), its length, the heartbeat, how many
--   tasks are under way.
local run, fence, now, ttl = ARGV[1], tonumber(ARGV[2]), time_of(ARGV[3]), tonumber(ARGV[4])
local under_way = tonumber(ARGV[8])
if ARGV[5] ~= '' then
  local lease = lease_of(KEYS[1])
  if lease and lease.fence ~= fence then return { 'stale', whole(lease.fence) } end
end
local missing, beaten = 0, {}
for place = 2, 1 + under_way do
  local record, text = status_of(KEYS[place])
  if record and record.fence > fence then return { 'stale', whole(record.fence) } end
  if record and record.run_id == run then
    local heartbeat = function() return '"heartbeat_at":"' .. ARGV[7] .. '"' end
    beaten[#beaten + 1] = { KEYS[place], (string.gsub(text, '"heartbeat_at":"[^"]*"', heartbeat, 1)) }
  else
    missing = missing + 1
  end
end
for _, write in ipairs(beaten) do put(write[1], write[2], ttl) end
if ARGV[5] ~= '' then hold(KEYS[1], ARGV[5], now, tonumber(ARGV[6]), ttl) end
for place = 2 + under_way, #KEYS do
  local there
  if ttl > 0 then there = redis.call('PEXPIRE', KEYS[place], whole(ttl)) else there = redis.call('EXISTS', KEYS[place]) end
  if there == 0 then missing = missing + 1 end
end
return { 'done', missing }
