--- flags: no-writes
--- use: meta
-- How the queue is recorded. Answers { recorded, strategy, paused, disabled, behavior, maxHeld, version }.
return { cfg.recorded, cfg.strategy, cfg.paused, cfg.disabled, cfg.behavior, cfg.maxHeld, cfg.version }
