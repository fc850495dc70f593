"""Xen: the configuration files of xl and xm."""
