"""How a Linux guest's boot loaders start its kernels: their configuration read as entries."""
