"""What a guest starts at boot, under systemd, SysV scripts, Upstart and OpenRC: switched off, added."""
