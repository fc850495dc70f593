"""The only door through which XML comes in.

No DTD, no entities, no network, bounded size and depth. Three faults that real
exporters make are read all the same and reported: a namespace prefix that was
never declared, an encoding declaration that is not true, and blanks or zeros
around the document.
"""

from __future__ import annotations

import codecs
import re

from lxml import etree

from kensho.model.errors import CorruptError, LimitError
from kensho.model.finding import Finding, Severity

_LONGEST = 300  #: characters of a fault, which may quote a name of any length
MAX_XML = 32 * 1024 * 1024  #: the largest real descriptors are below 1 MiB
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
#: libxml2's words for prefixes never declared and for namespaces that are no URIs.
_NAMESPACE_FAULTS = ("NS_ERR", "WAR_NS_URI")


def parse_xml(data: bytes, *, path: object) -> tuple[etree._Element, tuple[Finding, ...]]:
    """Parse a document and return its root and what was wrong but readable.

    Raises LimitError above `MAX_XML` bytes or libxml2's depth limit, CorruptError
    when it is not XML or carries a document type declaration.
    """
    if len(data) > MAX_XML:
        raise LimitError(
            f"{len(data)} bytes of XML; at most {MAX_XML} are read",
            path=path,
            hint="a descriptor this large is not a descriptor; check where it came from",
        )
    findings: list[Finding] = []
    root, problems = _parse(data, path, encoding=None)
    if root is None and (bare := _bare(data)) != data:
        root, problems = _parse(bare, path, encoding=None)
        data = bare
        findings.append(
            Finding(
                "KF-103",
                Severity.WARNING,
                "something stands before or after the document: blanks, zeros or a second mark",
                subject=str(path),
                action="left out",
            )
        )
    if root is None and (read := _as_utf8(data)) is not None:
        declared, real, text = read
        root, problems = _parse(text, path, encoding="utf-8")
        findings.append(
            Finding(
                "KF-101",
                Severity.WARNING,
                f"the file declares the encoding {declared} and is {real}",
                subject=str(path),
                action=f"read as {real}",
            )
        )
    if root is None:
        raise CorruptError(
            f"not well-formed XML: {problems[0] if problems else 'no root element'}",
            path=path,
            hint="repair or export the file again; nothing can be read from it safely",
        )
    _refuse_dtd(root, path)
    findings.extend(
        Finding(
            "KF-102",
            Severity.WARNING,
            f"not namespace-well-formed: {problem}",
            subject=str(path),
            action="read as if the prefix were part of the name",
        )
        for problem in problems
    )
    return root, tuple(findings)


def _parse(
    data: bytes, path: object, *, encoding: str | None
) -> tuple[etree._Element | None, list[str]]:
    """Return the root, or None, and the faults. Recovery is used for namespace faults alone."""
    parser = _parser(encoding, recover=False)
    try:
        return etree.fromstring(data, parser), []
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        log = list(parser.error_log)  # the error's own log also holds earlier documents' faults
        faults = [
            f"line {e.line}: {e.message[:_LONGEST]}" for e in log if e.level_name != "WARNING"
        ]
        if any("Excessive depth" in fault or "huge" in fault for fault in faults):
            raise LimitError(faults[0], path=path) from None
        if not log or not all(any(f in e.type_name for f in _NAMESPACE_FAULTS) for e in log):
            return None, faults or [str(error)]
        return etree.fromstring(data, _parser(encoding, recover=True)), faults


def _parser(encoding: str | None, *, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        recover=recover,
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_blank_text=False,
        strip_cdata=False,
    )


def _bare(data: bytes) -> bytes:
    """Return the document without what exporters and copies leave around it."""
    bare = data.rstrip(b"\0 \t\r\n")
    if b"\0" not in data[len(bare) :]:
        bare = data
    while bare[:1] in {b" ", b"\t", b"\r", b"\n"} or bare.startswith(codecs.BOM_UTF8):
        bare = bare.lstrip(b" \t\r\n").removeprefix(codecs.BOM_UTF8)
    return bare


def _as_utf8(data: bytes) -> tuple[str, str, bytes] | None:
    """Return (encoding declared, encoding it has, the text as UTF-8) when the two differ.

    None when the declaration may be true. Text that is called UTF-8 and is not is taken for
    Windows-1252, which most of it is; every byte is a letter there, so that is a guess.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data:
        return None
    match = _DECLARED.match(data.removeprefix(codecs.BOM_UTF8))
    declared = match[1].decode() if match is not None else "UTF-8"
    says_utf8 = declared.lower() in {"utf-8", "utf8"}
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if not says_utf8:
            return None
        return declared, "Windows-1252", data.decode("cp1252", errors="replace").encode()
    return None if says_utf8 else (declared, "UTF-8", data)


def _refuse_dtd(root: etree._Element, path: object) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise CorruptError(
            "a document type declaration is not allowed (entities could reach outside the file)",
            path=path,
            field="DOCTYPE",
            hint="remove the <!DOCTYPE …> line if you trust the file",
        )
