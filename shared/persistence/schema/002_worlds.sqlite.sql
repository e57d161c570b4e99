-- Who works on what, plans that wait, and locks. One process has the file, so one world at a time is registered.

CREATE TABLE worlds (
  epoch      INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice
  id         TEXT NOT NULL UNIQUE,
  meta       TEXT NOT NULL,
  last_seen  INTEGER NOT NULL
) STRICT;

ALTER TABLE plans ADD COLUMN owner TEXT NOT NULL DEFAULT '';  -- id of a world; empty: whoever comes first
ALTER TABLE events ADD COLUMN due_at INTEGER;
ALTER TABLE outbox ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

CREATE TABLE delayed_plans (
  plan          INTEGER PRIMARY KEY REFERENCES plans (number) ON DELETE CASCADE,
  start_at      INTEGER,
  start_before  INTEGER,
  is_frozen     INTEGER NOT NULL,
  serializer    TEXT NOT NULL,
  args          TEXT NOT NULL
) STRICT;
CREATE INDEX delayed_by_start ON delayed_plans (start_at) WHERE is_frozen = 0;
CREATE INDEX delayed_by_end ON delayed_plans (start_before) WHERE is_frozen = 0 AND start_before IS NOT NULL;

-- What a delayed plan waits for. A prerequisite is named by its id: it may be gone before the plan that waits for it, and
-- leaves its end here.
CREATE TABLE dependencies (
  plan          INTEGER NOT NULL REFERENCES delayed_plans (plan) ON DELETE CASCADE,
  prerequisite  TEXT NOT NULL,
  state         TEXT,  -- null: ask the prerequisite
  result        TEXT,
  PRIMARY KEY (plan, prerequisite)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_by_prerequisite ON dependencies (prerequisite);

CREATE TABLE locks (
  name     TEXT PRIMARY KEY,
  plan_id  TEXT NOT NULL,    -- perhaps of a plan that is about to be made
  epoch    INTEGER NOT NULL  -- of the world that took it; 0: none was registered
) STRICT, WITHOUT ROWID;
CREATE INDEX locks_by_plan ON locks (plan_id);

-- What goes with a plan besides its actions, steps, chunks and delayed record. A paused plan that is removed has failed for those
-- who wait for it: it can never end.
CREATE TRIGGER plan_removed AFTER DELETE ON plans BEGIN
  DELETE FROM events WHERE plan_id = OLD.id;
  DELETE FROM outbox WHERE plan_id = OLD.id;
  DELETE FROM locks WHERE plan_id = OLD.id;
  UPDATE dependencies SET state = 'stopped', result = CASE OLD.state WHEN 'stopped' THEN OLD.result ELSE 'error' END
    WHERE prerequisite = OLD.id AND state IS NULL;
END;
