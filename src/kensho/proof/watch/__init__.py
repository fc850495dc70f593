"""A run watched: serial port, screen, network, and what a guest that came up is asked."""
