"""The first-boot service: its source, how it is built, and the programs that came of it."""
