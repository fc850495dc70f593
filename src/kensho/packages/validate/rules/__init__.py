"""The rules, one file per subject; the table of all of them is in ``table.py``."""
