-- Where the output of an action ended when it was dropped: the numbers of its chunks go on from there, so that no reader misses one.
CREATE TABLE output_ends (
  plan       bigint NOT NULL,
  action_id  integer NOT NULL,
  sequence   bigint NOT NULL,
  timestamp  bigint NOT NULL,
  PRIMARY KEY (plan, action_id)
);

CREATE FUNCTION output_ends_removed() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  DELETE FROM output_ends USING old_rows WHERE output_ends.plan = old_rows.number;
  RETURN NULL;
END $$;
CREATE TRIGGER output_ends_removed AFTER DELETE ON plans REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION output_ends_removed();
