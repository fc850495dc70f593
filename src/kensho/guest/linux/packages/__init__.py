"""Which packages a guest has installed, by its package manager's own database; nothing of it runs."""
