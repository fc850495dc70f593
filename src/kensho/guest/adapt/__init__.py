"""A machine's guests adapted: planned over all of its disks, carried out on overlays."""
