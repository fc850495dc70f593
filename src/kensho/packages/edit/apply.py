"""Carry out ``Edits`` on an open package: the tree changes, the files are noted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.envelope import version_of
from kensho.model.errors import LocatorError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.edit import (
    configurations,
    controllers,
    disks,
    files,
    networks,
    nics,
    properties,
    startup,
    texts,
)
from kensho.packages.edit.edits import Edits
from kensho.packages.edit.payload import NewFile, Payload, payload_of
from kensho.packages.edit.scope import Scope, check_configurations
from kensho.packages.edit.settings import COUNTS, NIC_FIELDS, apply_setting
from kensho.packages.edit.textual import merged
from kensho.packages.edit.tree import declare_vmware
from kensho.packages.edit.values import pairs
from kensho.packages.rewrite import serialise_descriptor
from kensho.packages.source import OvfPackage
from kensho.packages.version import convert_version

_MAX_TEXT = 4 * 1024 * 1024  #: of a licence or a router's configuration
_TYPED = re.compile(r"(.*)\+([a-z]+\d*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Edited:
    """A package changed in memory: ``before`` and ``after`` are descriptors as text.

    ``serialised`` is ``before`` as kensho would spell it.
    """

    root: etree._Element
    payload: Payload
    before: bytes
    serialised: bytes
    after: bytes
    findings: tuple[Finding, ...]


def apply_edits(
    package: OvfPackage,
    edits: Edits,
    base: Path = Path(),
    *,
    more: Sequence[tuple[str, NewFile, int]] = (),
) -> Edited:
    """Change the package's tree and return the result; files are read relative to ``base``.

    ``more`` are files to add: name, content, bytes. Nothing is written. UsageError for a name that is not there, naming those that are.
    """
    before = serialise_descriptor(package.root)
    notes = Notes(package.path)
    payload = payload_of(package)
    root = package.root
    if edits.ovf_version not in {None, version_of(root)}:
        assert edits.ovf_version is not None
        root, findings = convert_version(root, edits.ovf_version, path=package.name)
        notes.findings.update(dict.fromkeys(findings))
    change(root, payload, edits, notes, base)
    for name, content, size in more:
        files.refer(Scope(root, notes), payload.add(name, content), size=size)
    after = merged(package.data, before, serialise_descriptor(root))
    return Edited(root, payload, package.data, before, after, tuple(notes.findings))


def change(
    root: etree._Element, payload: Payload, edits: Edits, notes: Notes, base: Path = Path()
) -> None:
    """Carry out ``edits`` on a descriptor's tree and its files."""
    whole = Scope(root, notes, edits.vm)
    for text in edits.add_configuration:
        ident, options = _split(text, ("label", "description"), "--add-configuration")
        configurations.add_configuration(
            whole, ident, options.get("label", ""), options.get("description", "")
        )
    scope = Scope(root, notes, edits.vm, edits.configuration)
    check_configurations(scope)
    for name, value in edits.set.items():
        if name in COUNTS:
            apply_setting(scope, name, _text(value))
    _change_devices(scope, edits)
    _change_networks(whole, edits)
    _change_properties(scope, edits, base)
    _change_files(scope, payload, edits, base)
    for name, value in edits.set.items():
        if name not in COUNTS:
            apply_setting(scope, name, _text(value))
    _change_texts(whole, edits, base)
    for ident in edits.remove_configuration:
        configurations.delete_configuration(whole, ident)
    if edits.remove_other_configurations:
        configurations.delete_others(whole, edits.configuration)
    declare_vmware(root)


def _change_devices(scope: Scope, edits: Edits) -> None:
    for text in edits.add_controller:
        kind, options = _split(text, ("subtype",), "--add-controller")
        controllers.add_controller(scope, kind, options.get("subtype"))
    for text in edits.nic:
        which, options = _split(text, (*NIC_FIELDS, "remove"), "--nic")
        if which == "add":
            nics.add_nic(scope, options)
        elif "remove" in options:
            nics.remove_nic(scope, which)
        else:
            nics.change_nic(scope, which, options)


def _change_networks(scope: Scope, edits: Edits) -> None:
    for text in edits.network:
        old, sign, new = text.partition("=")
        if sign and not old.endswith(",description"):
            networks.map_network(scope, old, new)
        else:
            name, options = _split(text, ("description",), "--network")
            networks.add_network(scope, name, options.get("description"))
    for name in edits.remove_network:
        networks.remove_network(scope, name)
    if edits.prune_networks:
        for name in networks.prune_networks(scope.root):
            scope.notes.add(
                "KF-743",
                Severity.NOTE,
                f"no adapter is on the network {name!r}",
                subject=name,
                action="left out",
            )


def _change_properties(scope: Scope, edits: Edits, base: Path) -> None:
    if edits.config_file is not None:
        name, options = _split(edits.config_file, ("prefix",), "--config-file")
        lines = read_text(base / name).splitlines()
        properties.from_config_file(scope, lines, options.get("prefix") or "config")
    for text in edits.property:
        set_typed_property(scope, text)
    for key in edits.remove_property:
        properties.remove_property(scope, key)


def set_typed_property(scope: Scope, text: str) -> None:
    """Set a property from ``KEY=VALUE`` or ``KEY=VALUE+TYPE``, COT's spelling."""
    key, sign, value = text.partition("=")
    alone = _TYPED.fullmatch(text)
    if not sign and alone is not None and alone[2] in properties.TYPES:
        properties.set_property(scope, alone[1], "", alone[2])  # no default value
        return
    if not sign:
        raise UsageError(f"--property {text!r}: no value", hint="KEY=VALUE or KEY=VALUE+TYPE")
    typed = _TYPED.fullmatch(value)
    if typed is not None and typed[2] in properties.TYPES:
        properties.set_property(scope, key, typed[1], typed[2])
    else:
        properties.set_property(scope, key, value)


def _change_files(scope: Scope, payload: Payload, edits: Edits, base: Path) -> None:
    for which in edits.remove_disk:
        disks.remove_disk(scope, payload, which)
    for which in edits.remove_file:
        files.remove_file(scope, payload, which)
    for text in edits.replace_disk:
        which, locator = _target(text, "--replace-disk")
        disks.replace_disk(scope, payload, which, _locator(base, locator))
    for text in edits.replace_file:
        which, locator = _target(text, "--replace-file")
        files.replace_file(scope, payload, which, _locator(base, locator))
    for text in edits.add_disk:
        name, options = _disk_options(text)
        disks.add_disk(scope, payload, _locator(base, name) if name else "", options)
    for text in edits.add_file:
        name, options = _split(text, ("name", "id"), "--add-file")
        files.add_file(
            scope, payload, _locator(base, name), options.get("name", ""), options.get("id", "")
        )
    if edits.inject:
        disks.inject_files(scope, payload, [_injected(text, base) for text in edits.inject])
    for name in edits.remove_controller:
        controllers.remove_controller(scope, name)


def _change_texts(scope: Scope, edits: Edits, base: Path) -> None:
    if edits.remove_eulas:
        texts.remove_eulas(scope)
    if edits.eula is not None:
        texts.replace_eulas(scope, read_text(base / edits.eula))
    for name in edits.add_eula:
        texts.add_eula(scope, read_text(base / name))
    if edits.startup:
        startup.set_start_order(scope, edits.startup)


def read_text(path: Path) -> str:
    """Return a UTF-8 text file's content; LocatorError when it cannot be read as one."""
    try:
        return _read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LocatorError("is no UTF-8 text", path=path, hint="save it as UTF-8") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TEXT + 1)
    except OSError as error:
        raise LocatorError(error.strerror or "cannot be read", path=path) from None
    if len(data) > _MAX_TEXT:
        raise LocatorError(f"a file of more than {_MAX_TEXT} bytes", path=path)
    return data


def _injected(text: str, base: Path) -> tuple[str, bytes]:
    name, options = _split(text, ("name",), "--inject")
    return options.get("name") or Path(name).name, _read(base / name)


def _split(text: str, known: tuple[str, ...], what: str) -> tuple[str, dict[str, str]]:
    """Return the first word and the ``key=value`` pairs behind it."""
    first, comma, rest = text.partition(",")
    return first, pairs(rest, known, what) if comma else {}


def _disk_options(text: str) -> tuple[str, dict[str, str]]:
    """Return file and options of --add-disk; ``size=20GiB`` in front means no file."""
    first = text.partition(",")[0].partition("=")
    if first[1] and first[0] in disks.OPTIONS:
        return "", pairs(text, disks.OPTIONS, "--add-disk")
    return _split(text, disks.OPTIONS, "--add-disk")


def _target(text: str, what: str) -> tuple[str, str]:
    which, sign, locator = text.partition("=")
    if not sign or not locator:
        raise UsageError(f"{what} {text!r}: which one by what?", hint=f"{what} ID=FILE")
    return which, locator


def _locator(base: Path, name: str) -> str:
    return name if "://" in name else str(base / name)


def _text(value: str | float | bool) -> str:  # noqa: FBT001
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
