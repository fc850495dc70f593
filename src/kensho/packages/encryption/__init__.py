"""Encrypted files in OVF packages: DSP0243 2.1 §9.16 with XML Encryption 1.1.

A file's bytes are replaced by IV, cipher text and tag; its ``File`` element holds an
``EncryptedData`` that names the cipher; an ``EncryptionSection`` says how to come by the key: from
a passphrase (PBKDF2), or wrapped for the holder of a private key (RSA-OAEP).
"""
