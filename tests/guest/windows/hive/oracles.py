"""Two readers of hives that are not ours: hivex (as a process) and regipy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

Tree = dict[str, dict[str, tuple[int, str]]]
"""Values by key path: the type's number and the data in hex."""

_HIVEX = """
import json, sys, hivex
h = hivex.Hivex(sys.argv[1])
tree = {}
def walk(node, path):
    values = {}
    for v in h.node_values(node):
        kind, data = h.value_value(v)
        values[h.value_key(v)] = [kind, data.hex()]
    tree[path] = values
    for child in h.node_children(node):
        name = h.node_name(child)
        assert h.node_get_child(node, name) == child, "not found by name: " + name
        walk(child, path + "\\\\" + name if path else name)
walk(h.root(), "")
json.dump(tree, sys.stdout)
"""
_PYTHON = "/usr/bin/python3"


def by_hivex(data: bytes, folder: Path) -> Tree:
    """Read a hive with libhivex; it looks each key up by its name, too."""
    path = folder / "hivex.dat"
    path.write_bytes(data)
    probe = [_PYTHON, "-c", "import hivex"]
    if not Path(_PYTHON).exists() or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("python3-hivex is not installed")
    run = subprocess.run(
        [_PYTHON, "-c", _HIVEX, str(path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return {
        key: {name: (kind, text) for name, (kind, text) in values.items()}
        for key, values in json.loads(run.stdout).items()
    }


def as_regipy_names(path: str) -> str:
    """Return a key's path with what regipy makes of names stored in Latin-1: it reads ASCII."""

    def shown(name: str) -> str:
        try:
            return name.encode("latin-1").decode("ascii", errors="replace")
        except UnicodeEncodeError:
            return name

    return "\\".join(map(shown, path.split("\\")))


def keys_by_regipy(data: bytes, folder: Path) -> dict[str, int]:
    """Return the number of values by key path, as regipy sees them."""
    registry = pytest.importorskip("regipy.registry")
    path = folder / "regipy.dat"
    path.write_bytes(data)
    hive = registry.RegistryHive(str(path))
    found: dict[str, int] = {}
    stack = [("", hive.root)]
    while stack:
        name, key = stack.pop()
        found[name] = len(list(key.iter_values(as_json=False))) if key.values_count else 0
        below = key.iter_subkeys() if key.subkey_count else ()
        stack.extend((f"{name}\\{sub.name}" if name else sub.name, sub) for sub in below)
    return found
