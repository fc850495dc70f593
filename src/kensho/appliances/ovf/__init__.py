"""OVF: DMTF DSP0243 1.0 to 2.1, VMware's 0.9 before it, and what exporters make of them."""
