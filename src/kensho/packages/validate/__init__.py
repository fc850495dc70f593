"""Is this a good package, and who will take it? Rules, profiles of importers, and mends.

A rule is a function and a row of a table in ``rules/``: code, grade, clause, what to do, and a
mend where one can be made. `Mode` decides what a broken rule counts for. A profile is a table of
what one importer takes, with its source (``profiles/``). `validate` runs the rules, `judge` asks
the profiles, `fix` applies the mends. Codes: docs/validation.md.
"""
