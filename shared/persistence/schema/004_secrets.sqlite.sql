-- What came with a launch and must not be read here: sealed with a key that is in a file elsewhere. There until the plan has stopped.
CREATE TABLE secrets (
  plan    INTEGER PRIMARY KEY REFERENCES plans (number) ON DELETE CASCADE,
  sealed  TEXT NOT NULL
) STRICT;
