"""VMX: VMware's own configuration file, beside its disks."""
