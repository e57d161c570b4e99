-- Where the output of an action ended when it was dropped: the numbers of its chunks go on from there, so that no reader misses one.
CREATE TABLE output_ends (
  plan       INTEGER NOT NULL REFERENCES plans (number) ON DELETE CASCADE,
  action_id  INTEGER NOT NULL,
  sequence   INTEGER NOT NULL,
  timestamp  INTEGER NOT NULL,
  PRIMARY KEY (plan, action_id)
) STRICT, WITHOUT ROWID;
