"""OCI images: the container disk KubeVirt starts from."""
