"""What is inside a machine: volumes, file systems, operating systems, and how they are adapted."""
