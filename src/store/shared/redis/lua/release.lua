-- Gives a lease back, if it is still the one of this fence.
--
-- KEYS: lease. ARGV: fence.
local lease = lease_of(KEYS[1])
if lease and lease.fence == tonumber(ARGV[1]) then return { 'done', redis.call('DEL', KEYS[1]) } end
return { 'done', 0 }
