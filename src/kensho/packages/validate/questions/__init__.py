"""What profiles ask of a package; the table is in ``table.py``."""
