"""What was done to a machine and what was shown of it, as one signed statement."""
