"""UFS1 and UFS2 of the BSDs, read-only, in this process."""
