"""Does a converted machine boot? Asked of QEMU, answered by the guest's serial port."""
