"""KubeVirt: VirtualMachine and DataVolume manifests."""
