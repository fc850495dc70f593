"""Settings made for the old hypervisor's devices that stop or hinder a start on others."""
