"""A statement about files and what is claimed of them: in-toto Attestation Framework, Statement v1."""

from __future__ import annotations

from typing import Any

import msgspec

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://kensho.dev/portability/v1"
MEDIA_TYPE = "application/vnd.in-toto+json"


class Subject(msgspec.Struct, frozen=True):
    """A file: ``digest`` maps algorithms (``sha256``) to lowercase hexadecimal."""

    name: str
    digest: dict[str, str]


class Statement(msgspec.Struct, frozen=True, rename="camel"):
    """What is claimed of the subjects; ``predicate`` is what JSON is made of."""

    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Any]
    type: str = msgspec.field(default=TYPE, name="_type")
