"""All that is to be done to a package, as data: what the command line makes, or a YAML file.

The order is fixed: new configurations, devices, networks, properties and files, then settings in the
order given, texts, and configurations removed; a later step can use what an earlier one added.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Texts = tuple[str, ...]


class Edits(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Repeated options in the spelling of the command line; see docs/package-editing.md."""

    vm: str | None = None
    configuration: Texts = ()
    add_configuration: Texts = ()
    remove_configuration: Texts = ()
    remove_other_configurations: bool = False
    set: dict[str, str | int | float | bool] = {}
    add_controller: Texts = ()
    remove_controller: Texts = ()
    network: Texts = ()
    remove_network: Texts = ()
    prune_networks: bool = False
    nic: Texts = ()
    property: Texts = ()
    remove_property: Texts = ()
    config_file: str | None = None
    add_disk: Texts = ()
    replace_disk: Texts = ()
    remove_disk: Texts = ()
    add_file: Texts = ()
    replace_file: Texts = ()
    inject: Texts = ()
    remove_file: Texts = ()
    eula: str | None = None
    add_eula: Texts = ()
    remove_eulas: bool = False
    startup: Texts = ()
    ovf_version: Literal[1, 2] | None = None
