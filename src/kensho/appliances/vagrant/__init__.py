"""Vagrant boxes: a tar archive with a provider's machine, its metadata and a Vagrantfile."""
