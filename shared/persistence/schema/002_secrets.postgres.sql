-- What came with a launch and must not be read here: sealed with a key that is in a file elsewhere. There until the plan has stopped.
CREATE TABLE secrets (
  plan    bigint PRIMARY KEY,
  sealed  text NOT NULL
);

CREATE FUNCTION secrets_removed() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  DELETE FROM secrets USING old_rows WHERE secrets.plan = old_rows.number;
  RETURN NULL;
END $$;
CREATE TRIGGER secrets_removed AFTER DELETE ON plans REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION secrets_removed();
