"""What single vendors put into OVF beside, or instead of, what DSP0243 says."""
