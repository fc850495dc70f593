"""Hyper-V: a machine as a PowerShell script makes it."""
