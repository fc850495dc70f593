"""Physical machines: their hardware as the running system tells it, their disks read-only."""
