"""Read PowerShell with tree-sitter's grammar: is it well-formed, and what are its literals?"""

from __future__ import annotations

import re
from collections.abc import Iterator

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_powershell.language()))
_QUOTES = "'\u2018\u2019\u201a\u201b"
_PAIR = re.compile(f"[{_QUOTES}]([{_QUOTES}])")


def parsed(text: str) -> Node:
    """Return the tree of a script; AssertionError, with the place, when it is not well-formed."""
    root = _PARSER.parse(text.encode()).root_node
    bad = next((n for n in _nodes(root) if n.is_error or n.is_missing), None)
    assert not root.has_error, bad and (bad.start_point, (bad.text or b"")[:200])
    return root


def literals(text: str) -> list[str]:
    """Return the values of the single-quoted strings of a script, as PowerShell takes them."""
    words = [n.text or b"" for n in _nodes(parsed(text)) if n.type == "verbatim_string_characters"]
    return [_PAIR.sub(r"\1", word.decode()[1:-1]) for word in words]


def shape(text: str) -> list[str]:
    """Return the types of all nodes of a script, which no literal's content can change."""
    return [node.type for node in _nodes(parsed(text))]


def commands(text: str) -> list[str]:
    """Return the names of the commands that a script calls."""
    return [(n.text or b"").decode() for n in _nodes(parsed(text)) if n.type == "command_name"]


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)
