"""All rules. A new one is a function and a row in the file about its subject."""

from __future__ import annotations

from kensho.packages.validate.rule import Rule
from kensho.packages.validate.rules import (
    attributes,
    content,
    disk_images,
    disks,
    envelope,
    firmware,
    hardware,
    items,
    manifest,
    networks,
    places,
    products,
    ranges,
    references,
    strings,
    systems,
)

RULES: tuple[Rule, ...] = (
    *envelope.RULES,
    *attributes.RULES,
    *content.RULES,
    *references.RULES,
    *disks.RULES,
    *disk_images.RULES,
    *networks.RULES,
    *hardware.RULES,
    *items.RULES,
    *places.RULES,
    *ranges.RULES,
    *products.RULES,
    *systems.RULES,
    *strings.RULES,
    *firmware.RULES,
    *manifest.RULES,
)
