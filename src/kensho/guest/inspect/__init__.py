"""What is inside a machine's disks: volumes, systems, kernels, software. Read-only, no boot."""
