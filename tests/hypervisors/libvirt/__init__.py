"""kensho's KVM results in a real libvirt: ``make prove-libvirt``, see docs/proof-hypervisors.md."""
