from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.model.errors import CorruptError, KenshoError, LimitError

LAUGHS = (
    b'<!DOCTYPE l [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><l>&j;</l>"
)


def codes(data: bytes) -> list[str]:
    return [f.code for f in parse_xml(data, path="x.ovf")[1]]


def test_plain_xml_has_no_findings() -> None:
    assert codes(b"<a><b/></a>") == []


def test_an_undeclared_prefix_is_read_and_reported() -> None:
    assert codes(b"<a><ovfstr:b/></a>") == ["KF-102"]


def test_a_false_encoding_declaration_is_read_and_reported() -> None:
    assert codes('<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode()) == ["KF-101"]


def test_true_utf_16_is_read() -> None:
    data = '<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode("utf-16")
    assert parse_xml(data, path="x")[0].text == "é"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"<a>", b"<a><b></a>", b"plain text", b"<a>&nope;</a>"]
)
def test_what_is_not_xml_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptError, match="not well-formed"):
        parse_xml(data, path="x.ovf")


@pytest.mark.parametrize(
    "data",
    [
        LAUGHS,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        b"<!DOCTYPE a><a/>",
    ],
)
def test_a_document_type_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptError, match=r"document type|amplification"):
        parse_xml(data, path="x.ovf")


def test_size_and_depth_are_bounded() -> None:
    with pytest.raises(LimitError, match="bytes of XML"):
        parse_xml(b" " * (MAX_XML + 1), path="x.ovf")
    with pytest.raises(LimitError, match="depth"):
        parse_xml(b"<a>" * 1000 + b"</a>" * 1000, path="x.ovf")


def test_a_fault_in_one_document_does_not_show_in_the_next() -> None:
    with pytest.raises(CorruptError):
        parse_xml(b"<a>", path="x.ovf")
    assert codes(b"<a/>") == []


@given(st.binary(max_size=200))
def test_anything_is_parsed_or_refused(data: bytes) -> None:
    with contextlib.suppress(KenshoError):
        parse_xml(data, path="x.ovf")


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="UTF-8"?>'])
def test_latin_letters_that_are_called_utf8(declaration: str) -> None:
    data = f"{declaration}<a>Zürich € ok</a>\n".encode("cp1252")
    root, findings = parse_xml(data, path="a.ovf")
    assert root.text == "Zürich € ok"
    assert [f.code for f in findings] == ["KF-101"]
    assert "Windows-1252" in findings[0].message


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "iso-8859-1", "utf-16", "koi8-r"])
def test_true_declarations(encoding: str) -> None:
    word = "Привет" if encoding == "koi8-r" else "Zürich"
    data = f'<?xml version="1.0" encoding="{encoding}"?><a>{word}</a>'.encode(encoding)
    root, findings = parse_xml(data, path="a.ovf")
    assert (root.text, findings) == (word, ())


BEFORE = [b"\n", b" \r\n\t", b"\xef\xbb\xbf\xef\xbb\xbf", b"\n\xef\xbb\xbf"]


@pytest.mark.parametrize(("before", "after"), [*((b, b"") for b in BEFORE), (b"", bytes(100))])
def test_what_stands_around_the_document(before: bytes, after: bytes) -> None:
    data = before + '<?xml version="1.0"?><a>ü</a>'.encode() + after
    root, findings = parse_xml(data, path="a.ovf")
    assert (root.text, [f.code for f in findings]) == ("ü", ["KF-103"])


@pytest.mark.parametrize("data", [b"\xff\xfe<a", b"<a>\xe4", b"\0\0<a/>x", b"\n\n<a>", b" ", b"\0"])
def test_what_stays_no_xml(data: bytes) -> None:
    with pytest.raises(CorruptError):
        parse_xml(data, path="a.ovf")
