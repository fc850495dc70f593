"""VirtualBox's own machine files."""
