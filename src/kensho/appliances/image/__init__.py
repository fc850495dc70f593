"""A disk image alone, with nothing that says what machine it belongs to."""
