"""Make an OVF package: from a YAML file, kensho's own or ova-compose's, or from disk images."""
