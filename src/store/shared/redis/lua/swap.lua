-- Puts a text under a key in the place of the one that was read, unless somebody came between.
--
-- KEYS: the key, the lease of the run. ARGV: what was read (empty: nothing), the text, ttl, fence.
-- Answers whether it did.
local lease = lease_of(KEYS[2])
if lease and lease.fence > tonumber(ARGV[4]) then return { 'stale', whole(lease.fence) } end
if (text_of(KEYS[1]) or '') ~= ARGV[1] then return { 'done', 0 } end
put(KEYS[1], ARGV[2], tonumber(ARGV[3]))
return { 'done', 1 }
