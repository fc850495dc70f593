"""Names that are no text: told with marks, and everything else as it is."""

from __future__ import annotations

import msgspec

from kensho.guest.windows.listed import Service
from kensho.model.text import told


def test_what_is_text_comes_back_itself() -> None:
    service = Service("grüße", "boot")
    assert told(service) is service


def test_surrogates_become_marks() -> None:
    service = told(Service("a\ud800b", "boot", image="x"))
    assert service == Service("a\ufffdb", "boot", image="x")
    nested = told({"\udcff": [Service("\udfff"), ("x", 1, None)]})
    assert msgspec.json.decode(msgspec.json.encode(nested)) == {
        "\ufffd": [{"name": "\ufffd"}, ["x", 1, None]]
    }
