-- Puts a text under a key.
--
-- KEYS: the key. ARGV: the text, ttl.
put(KEYS[1], ARGV[1], tonumber(ARGV[2]))
return { 'done', 1 }
