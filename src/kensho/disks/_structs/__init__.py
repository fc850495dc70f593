"""On-disk structures, one module per format."""
