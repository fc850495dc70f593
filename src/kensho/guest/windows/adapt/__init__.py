"""A Windows adapted to other platforms: its registry, its boot loader, what it runs at first."""
