"""Public clouds and OpenStack as targets: disk images, a description of the machine, a script."""
