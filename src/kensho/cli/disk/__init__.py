"""``kensho disk``: the table of its verbs, imported when one of them is used."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="disk",
    help="Look at, convert and check virtual disks of any format.",
    help_epilogue="A disk is a path, archive.ova#member, a URL, or - for a pipe: "
    "docs/disk-commands.md",
    help_format="plaintext",
)

#: verb → where its function is, and one line for the overview.
VERBS = {
    "info": ("kensho.cli.disk.info:info", "Show format, sizes and chain of a disk."),
    "convert": ("kensho.cli.disk.convert:convert", "Write a disk in another format."),
    "map": ("kensho.cli.disk.map_:map_", "Show which ranges hold data and where."),
    "compare": ("kensho.cli.disk.compare:compare", "Compare what a guest would read."),
    "check": ("kensho.cli.disk.check:check", "Look for structural faults; changes nothing."),
    "measure": ("kensho.cli.disk.measure:measure", "Say how large a disk will be elsewhere."),
    "flatten": ("kensho.cli.disk.flatten:flatten", "Write a chain of disks as one."),
    "serve": ("kensho.cli.disk.serve:serve", "Let other programs read a disk over NBD."),
}
for _verb, (_target, _help) in VERBS.items():
    app.command(_target, name=_verb, help=_help)
