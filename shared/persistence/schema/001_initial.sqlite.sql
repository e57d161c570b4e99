-- Plans, their actions and steps, output, events from outside, and callbacks that wait for delivery.
-- Times are microseconds since the epoch, UTC. States, results and phases are Dynflow's words.

CREATE TABLE plans (
  number             INTEGER PRIMARY KEY,  -- in order of insertion; what other tables refer to
  id                 TEXT NOT NULL UNIQUE,
  label              TEXT NOT NULL,
  state              TEXT NOT NULL,
  result             TEXT NOT NULL,
  root_plan_step_id  INTEGER NOT NULL,
  run_flow           TEXT NOT NULL,
  finalize_flow      TEXT NOT NULL,
  started_at         INTEGER,
  ended_at           INTEGER,
  execution_time     REAL NOT NULL,
  real_time          REAL NOT NULL,
  history            TEXT NOT NULL,        -- JSON array, or empty
  request_digest     TEXT NOT NULL,
  caller_plan_id     TEXT NOT NULL,        -- of the root action
  resting_since      INTEGER               -- set while stopped or paused: what the cleaner looks at
) STRICT;
CREATE INDEX plans_unfinished ON plans (state, number) WHERE state <> 'stopped';
CREATE INDEX plans_by_caller ON plans (caller_plan_id) WHERE caller_plan_id <> '';
CREATE INDEX plans_resting ON plans (resting_since) WHERE resting_since IS NOT NULL;

CREATE TABLE actions (
  plan              INTEGER NOT NULL REFERENCES plans (number) ON DELETE CASCADE,
  id                INTEGER NOT NULL,
  class             TEXT NOT NULL,
  caller_plan_id    TEXT NOT NULL,
  caller_action_id  INTEGER NOT NULL,
  plan_step_id      INTEGER NOT NULL,
  run_step_id       INTEGER NOT NULL,
  finalize_step_id  INTEGER NOT NULL,
  input             TEXT NOT NULL,
  output            TEXT NOT NULL,
  PRIMARY KEY (plan, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
  plan             INTEGER NOT NULL REFERENCES plans (number) ON DELETE CASCADE,
  id               INTEGER NOT NULL,
  action_id        INTEGER NOT NULL,
  phase            TEXT NOT NULL,
  state            TEXT NOT NULL,
  class            TEXT,                   -- null: that of its action
  queue            TEXT NOT NULL,
  children         TEXT NOT NULL,          -- JSON array, or empty
  error            TEXT NOT NULL,          -- JSON object, or empty
  started_at       INTEGER,
  ended_at         INTEGER,
  execution_time   REAL NOT NULL,
  real_time        REAL NOT NULL,
  progress_done    REAL NOT NULL,
  progress_weight  REAL NOT NULL,
  PRIMARY KEY (plan, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE chunks (
  plan         INTEGER NOT NULL REFERENCES plans (number) ON DELETE CASCADE,
  action_id    INTEGER NOT NULL,
  sequence     INTEGER NOT NULL,
  output_type  TEXT NOT NULL,
  output       TEXT NOT NULL,
  timestamp    INTEGER NOT NULL,
  id           TEXT NOT NULL,
  PRIMARY KEY (plan, action_id, sequence)
) STRICT, WITHOUT ROWID;

-- Events and callbacks name their plan by its id: they may outlive it, and must never be refused for it.
CREATE TABLE events (
  number      INTEGER PRIMARY KEY,         -- in order of arrival
  id          TEXT NOT NULL UNIQUE,
  plan_id     TEXT NOT NULL,
  step_id     INTEGER NOT NULL,
  name        TEXT NOT NULL,
  data        TEXT NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_plan ON events (plan_id);

CREATE TABLE outbox (
  number           INTEGER PRIMARY KEY,
  id               TEXT NOT NULL UNIQUE,
  plan_id          TEXT NOT NULL,
  action_id        INTEGER NOT NULL,
  callback         TEXT NOT NULL,
  data             TEXT NOT NULL,
  request_id       TEXT NOT NULL,
  attempts         INTEGER NOT NULL,
  created_at       INTEGER NOT NULL,
  next_attempt_at  INTEGER NOT NULL,
  last_error       TEXT NOT NULL,
  is_abandoned     INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_plan ON outbox (plan_id);
CREATE INDEX outbox_due ON outbox (next_attempt_at, number) WHERE is_abandoned = 0;
