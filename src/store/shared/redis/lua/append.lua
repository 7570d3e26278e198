-- Adds an entry to a stream and answers its number.
--
-- KEYS: the stream. ARGV: the text, ttl.
local number = last_of(KEYS[1]) + 1
append(KEYS[1], number, ARGV[1])
if tonumber(ARGV[2]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return { 'done', whole(number) }
