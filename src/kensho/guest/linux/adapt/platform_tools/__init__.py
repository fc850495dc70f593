"""Tools of hypervisors and clouds in a Linux guest: those of the old platform, and the new one's agent."""
