"""Every section of an OVF envelope as a struct: one file each, with ``read`` and ``write``.

``read(element, notes)`` takes OVF 0.9, 1.x and 2.x in any dialect's spelling and keeps what it does
not know; ``write(struct, version)`` gives what the DMTF schema (DSP8023) of that version allows.
"""
