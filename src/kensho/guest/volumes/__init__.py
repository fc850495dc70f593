"""Where file systems lie: partitions, LVM volumes, what is encrypted or built of several disks."""
