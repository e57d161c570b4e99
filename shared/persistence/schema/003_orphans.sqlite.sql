-- Plans that somebody has to take up. A world that joins disowns what was another's, so they are found without a look at those in work.
CREATE INDEX plans_orphaned ON plans (number)
  WHERE state IN ('pending', 'planning', 'planned', 'running') AND owner = '';
