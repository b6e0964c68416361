--- flags: allow-oom
--- use: base
-- Publishes from the node of this slot: a Cluster's client would send each message through any node, and messages of two
-- nodes overtake each other. ARGV: channel, text.
return call('PUBLISH', arg(), arg())
