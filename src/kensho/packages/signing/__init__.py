"""Manifests and signatures of OVF packages: DSP0243 2.1 §6.4.2 and §6.4.3 (RFC 5280 for X.509).

Three questions that are answered apart: are the bytes those of the manifest, is the manifest the
one that was signed, and does the certificate lead to somebody who is trusted on that day.
"""
