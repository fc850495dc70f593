"""The indexes that depmod keeps beside a kernel's modules.

Source: kmod's depmod(8), modules.dep(5) and modprobe.d(5). The text files are read: they are
there beside the binary ones in every distribution.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_SUFFIX = re.compile(r"\.ko(\.(gz|xz|zst))?$")
_MOST_LINES = 1 << 20
#: How far a pattern tells vendors apart without matching.
_VENDOR = re.compile(
    r"(pci:v[0-9A-F]{8}|virtio:d[0-9A-F]{8}|vmbus:[0-9a-f]{8}|xen:|usb:v[0-9A-F]{4})"
)


def module_name(path: str) -> str:
    """Return a module's name of its file's path: ``vmw_pvscsi``, whatever stands for dashes."""
    return _SUFFIX.sub("", posixpath.basename(path)).replace("-", "_")


def is_module(path: str) -> bool:
    """Tell whether a file is a module, packed or not, by its name."""
    return _SUFFIX.search(path) is not None


@dataclass(frozen=True, slots=True)
class ModuleIndex:
    """What there is to one kernel.

    ``files`` maps names to paths below ``/lib/modules/VERSION``, ``needs`` to the names a module
    cannot be loaded without, ``wishes`` to those of its soft dependencies; ``builtin`` are names
    in the kernel itself. ``aliases`` are patterns and the names they mean, by their beginning.
    """

    files: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]
    wishes: Mapping[str, tuple[str, ...]]
    builtin: frozenset[str]
    aliases: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def drivers(self, modalias: str) -> tuple[str, ...]:
        """Return the names of what drives a device, by its modalias; built-in ones as well."""
        candidates = (
            row
            for key in dict.fromkeys((_key(modalias), _bus(modalias)))
            for row in self.aliases.get(key, ())
        )
        found = (name for pattern, name in candidates if fnmatch.fnmatchcase(modalias, pattern))
        return tuple(dict.fromkeys(found))

    def closure(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return these modules with all they need, each after what it needs.

        Soft dependencies come along where the kernel has them; what is built in is left out, and so
        is what this kernel does not have.
        """
        done: dict[str, None] = {}
        seen: set[str] = set()
        wanted = [(name.replace("-", "_"), False) for name in names][::-1]
        while wanted:
            name, complete = wanted.pop()
            if complete:
                done[name] = None
            elif name not in seen and name in self.files:
                seen.add(name)
                wanted.append((name, True))
                below = (*self.needs.get(name, ()), *self.wishes.get(name, ()))
                wanted += [(other, False) for other in reversed(below)]
        return tuple(done)


def read_index(texts: Mapping[str, str]) -> ModuleIndex:
    """Read the texts of depmod's files, by name; what is missing counts as empty.

    Read are ``modules.dep``, ``modules.alias``, ``modules.softdep``, ``modules.builtin`` and
    ``modules.builtin.modinfo``.
    """
    files: dict[str, str] = {}
    needs: dict[str, tuple[str, ...]] = {}
    for line in _lines(texts.get("modules.dep", "")):
        path, _, rest = line.partition(":")
        name = module_name(path)
        files[name] = path.strip()
        needs[name] = tuple(module_name(other) for other in rest.split())
    builtin = {module_name(line) for line in _lines(texts.get("modules.builtin", ""))}
    aliases: dict[str, list[tuple[str, str]]] = {}
    for pattern, name in (*_aliases(texts.get("modules.alias", "")), *_builtin_aliases(texts)):
        aliases.setdefault(_key(pattern), []).append((pattern, name))
    return ModuleIndex(
        files=files,
        needs=needs,
        wishes=_wishes(texts.get("modules.softdep", "")),
        builtin=frozenset(builtin),
        aliases={key: tuple(rows) for key, rows in aliases.items()},
    )


def _bus(modalias: str) -> str:
    return modalias.partition(":")[0]


def _key(pattern: str) -> str:
    match = _VENDOR.match(pattern)
    return match[1] if match else _bus(pattern)


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines()[:_MOST_LINES])
    return [line for line in lines if line and not line.startswith("#")]


def _aliases(text: str) -> Iterable[tuple[str, str]]:
    for line in _lines(text):
        words = line.split()
        if len(words) == 3 and words[0] == "alias":
            yield words[1], words[2].replace("-", "_")


def _builtin_aliases(texts: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield ``module.alias=PATTERN`` of modules.builtin.modinfo (Linux 5.2 and later)."""
    for record in texts.get("modules.builtin.modinfo", "").split("\0")[:_MOST_LINES]:
        key, _, pattern = record.partition("=")
        name, _, kind = key.rpartition(".")
        if kind == "alias" and pattern:
            yield pattern, name.replace("-", "_")


def _wishes(text: str) -> dict[str, tuple[str, ...]]:
    """Read ``softdep NAME pre: A B post: C``; both count, since either is missed when absent."""
    found: dict[str, list[str]] = {}
    for line in _lines(text):
        words = line.split()
        if len(words) > 2 and words[0] == "softdep":
            others = [w.replace("-", "_") for w in words[2:] if not w.endswith(":")]
            found.setdefault(words[1].replace("-", "_"), []).extend(others)
    return {name: tuple(others) for name, others in found.items()}
