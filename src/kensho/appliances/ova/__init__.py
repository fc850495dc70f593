"""OVA: an OVF package in one tar archive (DSP0243 §5.3)."""
