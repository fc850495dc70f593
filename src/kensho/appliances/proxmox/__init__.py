"""Proxmox VE: a machine as ``qm`` knows it."""
