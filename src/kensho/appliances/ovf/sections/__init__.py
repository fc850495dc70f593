"""Every section of an OVF envelope as a struct: what it says, and XML's order and spelling of it.

`reading.read_part` takes OVF 0.9, 1.x and 2.x in any dialect's spelling and keeps what it does not
know; `writing.write_part` gives what the DMTF schema (DSP8023) of that version allows.
"""
