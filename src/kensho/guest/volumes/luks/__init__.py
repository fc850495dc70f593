"""LUKS 1 and 2, opened with a passphrase that the user gives: read, and written back encrypted.

Spec: "LUKS On-Disk Format Specification" 1.2.3 and "LUKS2 On-Disk Format Specification" 1.1.4, both in
cryptsetup's documentation; dm-crypt's ciphers: Linux Documentation/admin-guide/device-mapper.
"""
