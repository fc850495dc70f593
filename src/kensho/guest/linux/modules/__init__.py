"""Kernel modules of a Linux guest: which there are, what they need, what hardware they drive."""
