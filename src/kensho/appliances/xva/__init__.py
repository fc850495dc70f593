"""XVA: XenServer's and XCP-ng's export of a machine with its disks, in one tar archive."""
