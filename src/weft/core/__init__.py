"""Pure rules: no files, clock, random, network or logging in here."""
