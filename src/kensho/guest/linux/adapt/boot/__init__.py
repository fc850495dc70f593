"""What names devices in a Linux guest, or tells its kernel how to start, changed to hold anywhere.

Names of devices: ``devices`` tells which volume a name means; ``fstab``, ``crypttab``, ``mdadm``,
``resume`` and ``loaders`` write what stays. How it starts: ``arguments`` are the rules for
a kernel's command line, ``loaders`` the files they are in, ``grub`` what GRUB 2 keeps besides,
``consoles``, ``fallback`` (UEFI) and ``default`` (which kernel). What is not done is in ``unknown``.
"""
