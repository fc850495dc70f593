"""DER, as much as signatures of drivers are made of. Spec: ITU-T X.690 §8 and §10."""

from __future__ import annotations

from dataclasses import dataclass

from kensho.model.errors import CorruptError

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
_MAX_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Der:
    """An element: ``raw`` is all of it, ``content`` without tag and length."""

    tag: int
    raw: bytes
    content: bytes

    def parts(self) -> tuple[Der, ...]:
        """Return the elements within; CorruptError when there are none such."""
        found = []
        place = 0
        while place < len(self.content):
            element, place = _read(self.content, place)
            found.append(element)
            if len(found) > _MAX_PARTS:
                raise CorruptError("more elements than any signature has")
        return tuple(found)

    def part(self, index: int, tag: int) -> Der:
        """Return an element within, which has to have this tag."""
        parts = self.parts()
        if index >= len(parts) or parts[index].tag != tag:
            raise CorruptError(f"an element of tag {tag:#x} is missing")
        return parts[index]

    @property
    def oid(self) -> str:
        """The object identifier in dots, empty when it is none."""
        if self.tag != OID or not self.content or len(self.content) > 64:
            return ""
        numbers, value = [], 0
        for byte in self.content:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(value)
                value = 0
        if not numbers:
            return ""
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def read_der(data: bytes, path: str) -> Der:
    """Read the first element of some bytes; CorruptError when there is none."""
    try:
        return _read(data, 0)[0]
    except CorruptError as error:
        raise CorruptError(error.message, path=path) from None


def _read(data: bytes, place: int) -> tuple[Der, int]:
    start = place
    if place + 2 > len(data):
        raise CorruptError("an element is cut off")
    tag, length = data[place], data[place + 1]
    place += 2
    if tag & 0x1F == 0x1F:
        raise CorruptError("a tag of many bytes, which no signature has")
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or place + size > len(data):
            raise CorruptError("a length that is not DER")
        length = int.from_bytes(data[place : place + size], "big")
        place += size
    if place + length > len(data):
        raise CorruptError("an element is longer than what holds it")
    end = place + length
    return Der(tag, data[start:end], data[place:end]), end
