"""Structural checks, one module per format: ``check(source, layer)`` yields faults."""
