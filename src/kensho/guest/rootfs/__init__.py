"""A Linux guest's root file system as an image for containers: the application without the machine."""
