"""Real hypervisors that run here: kensho's results imported and started by their own tools. Slow, not in CI."""
