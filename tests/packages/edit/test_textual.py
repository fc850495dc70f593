"""Edited text: untouched lines stay as they were, and the XML is the edited tree's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from kensho.packages.edit.textual import merged
from kensho.packages.rewrite import serialise_descriptor

NAMES = st.sampled_from(["a", "b", "c"])
#: The same element spelled in several ways.
SPELLINGS = st.sampled_from(
    ["<{0}/>", "<{0} />", "<{0}></{0}>", "<{0} x='1'/>", '<{0}\n x="1"/>', "<!--{0}-->", "\n", "t"]
)


@given(
    st.lists(st.tuples(SPELLINGS, NAMES), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["set", "del", "add"])), max_size=4),
)
def test_merged_is_always_the_edited_tree(pieces, changes):
    original = b"<r>\n" + b"".join(f"  {p.format(n)}\n".encode() for p, n in pieces) + b"</r>\n"
    root = etree.fromstring(original)
    before = serialise_descriptor(root)
    for at, what in changes:
        if not len(root):
            break
        element = root[at % len(root)]
        if what == "del":
            root.remove(element)
        elif what == "add":
            root.insert(at % len(root), etree.Element("new"))
        elif isinstance(element.tag, str):
            element.set("y", "2")
    after = serialise_descriptor(root)
    result = merged(original, before, after)
    canonical = etree.tostring(root.getroottree(), method="c14n")
    assert etree.tostring(etree.fromstring(result).getroottree(), method="c14n") == canonical
    if before == after:
        assert result == original


def test_crlf_and_quotes_stay():
    original = b"<?xml version='1.0'?>\r\n<r>\r\n  <a x='1' />\r\n  <b></b>\r\n</r>\r\n"
    root = etree.fromstring(original)
    before = serialise_descriptor(root)
    root[1].set("y", "2")
    result = merged(original, before, serialise_descriptor(root))
    assert b"<a x='1' />" in result
    assert b'<b y="2"/>' in result
