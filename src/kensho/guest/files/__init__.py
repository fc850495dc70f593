"""Files of a guest, read in place: one seam, a reader per file system."""
