"""Drivers for Windows that the user supplies: read, chosen, checked. None is shipped."""
