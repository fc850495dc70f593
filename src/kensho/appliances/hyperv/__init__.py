"""Hyper-V: its configuration files, binary and XML, and a machine as a PowerShell script makes it."""
