"""Edits of a guest's files: planned as data, carried out on an overlay, never on the source."""
