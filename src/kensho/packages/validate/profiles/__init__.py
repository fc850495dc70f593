"""What each importer takes: one file per family of importers, the table is in ``table.py``."""
