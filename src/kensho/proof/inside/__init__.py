"""What a booted guest says of itself: a script in an overlay that is thrown away, and what it reports."""
