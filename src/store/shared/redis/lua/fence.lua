-- The next fencing number of a project: above every one before, and at least the time.
--
-- KEYS: fence. ARGV: time, the least it may be, ttl.
local stored = tonumber(text_of(KEYS[1]) or '') or 0
local number = math.max(stored + 1, time_of(ARGV[1]), tonumber(ARGV[2]))
put(KEYS[1], whole(number), tonumber(ARGV[3]))
return { 'done', whole(number) }
