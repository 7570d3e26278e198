-- Takes away what is under the report keys of attempts that begin. A report of the attempt itself stays:
-- its agent may have been faster than this call.
--
-- KEYS: reports. ARGV: the run, how long a report may be, then for each key the number of its attempt.
local gone = 0
for place, key in ipairs(KEYS) do
  local report = nil
  if redis.call('TYPE', key).ok == 'string' and redis.call('STRLEN', key) <= tonumber(ARGV[2]) then
    report = document(text_of(key))
  end
  if not (report and report.run_id == ARGV[1] and report.attempt == tonumber(ARGV[2 + place])) then
    gone = gone + redis.call('DEL', key)
  end
end
return { 'done', gone }
