"""libvirt: a domain's XML."""
