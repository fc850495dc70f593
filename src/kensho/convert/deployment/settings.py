"""Values for properties, as the user gives them: KEY=VALUE, a file of them, secrets by reference.

``@env:NAME`` takes the value from the environment, ``@file:PATH`` from a file (without the line
end at its end), ``@text:`` is for a text that begins like one of these. A value by reference is a
secret: plans and reports keep the reference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from kensho.model.errors import LocatorError, UsageError

MAX_FILE = 1024 * 1024
MAX_VALUE = 1024 * 1024
#: What a plan keeps of a password that was given as it is.
NOT_KEPT = "@not-kept:"
_ENV, _FILE, _TEXT = "@env:", "@file:", "@text:"
_LINE = re.compile(r"""(?:export\s+)?([^\s=#"']+)\s*=\s*(.*)""", re.DOTALL)


class Setting(msgspec.Struct, frozen=True):
    """One value as given: ``text`` is the value or the reference to it."""

    key: str
    text: str


class Given(msgspec.Struct, frozen=True):
    """One value as it is. ``secret`` says that it came by reference."""

    key: str
    value: str
    secret: bool = False

    def __repr__(self) -> str:
        """Return the key only: this ends up in tracebacks."""
        return f"Given({self.key!r})"


def read_setting(text: str) -> Setting:
    """Read ``KEY=VALUE``; UsageError without a key or an equals sign."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(
            f"not KEY=VALUE: {key!r}", field="--property", hint="for example --property ip=10.0.0.5"
        )
    return Setting(key.strip(), value)


def read_settings(path: Path) -> tuple[Setting, ...]:
    """Read a file of settings: JSON, YAML (by its suffix), else lines of KEY=VALUE.

    In JSON and YAML it is one mapping of keys to texts, numbers or truth values. LocatorError when
    the file is not there, UsageError when it is something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=path) from None
    if len(data) > MAX_FILE:
        raise UsageError(f"more than {MAX_FILE} bytes of properties", path=path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8", path=path, field=f"byte {error.start}") from None
    match path.suffix.lower():
        case ".json":
            return _from_mapping(_json(data, path), path)
        case ".yaml" | ".yml":
            return _from_mapping(_yaml(text, path), path)
    return tuple(_lines(text, path))


def read_all_settings(texts: Sequence[str], file: Path | None) -> tuple[Setting, ...]:
    """Return the settings of a file and of single texts; the texts beat the file."""
    given = [*(read_settings(file) if file is not None else ()), *map(read_setting, texts)]
    return tuple({setting.key: setting for setting in given}.values())


def _json(data: bytes, path: Path) -> object:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not JSON: {error}", path=path) from None


def _yaml(text: str, path: Path) -> dict[str, str]:
    """Read one flat mapping, event by event: whatever is nested is refused before it is built.

    Every scalar is as it is written: no ``yes`` becomes true, no 010 becomes 8.
    """
    import yaml

    found: dict[str, str] = {}
    key: str | None = None
    inside = False
    try:
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            if isinstance(event, yaml.ScalarEvent) and inside:
                if key is None:
                    key = event.value
                else:
                    found[key], key = event.value, None
            elif isinstance(event, yaml.MappingStartEvent) and not inside and not found:
                inside = True
            elif isinstance(event, yaml.MappingEndEvent):
                inside = False
            elif isinstance(event, yaml.NodeEvent):
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise UsageError("nested, or a list", path=path, field=f"line {line}")
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"not YAML: {error}", path=path) from None
    return found


def _from_mapping(value: object, path: Path) -> tuple[Setting, ...]:
    if not isinstance(value, dict):
        raise UsageError("not a mapping of keys to values", path=path)
    return tuple(Setting(str(key), _scalar(item, str(key), path)) for key, item in value.items())


def _scalar(value: object, key: str, path: Path) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if value is None:
        return ""
    raise UsageError("neither a text, a number nor true or false", path=path, field=key)


def _lines(text: str, path: Path) -> Iterable[Setting]:
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.strip()
        if not plain or plain.startswith("#"):
            continue
        match = _LINE.fullmatch(plain)
        if match is None:
            raise UsageError("not KEY=VALUE", path=path, field=f"line {number}")
        key, value = match[1], match[2].strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        yield Setting(key, value)


def resolve(
    settings: Sequence[Setting],
    *,
    kept: Sequence[Setting] = (),
    environ: Mapping[str, str] | None = None,
) -> tuple[Given, ...]:
    """Return the values; of two with one key the last. All that is missing is named at once.

    ``kept`` are the settings as the user gave them, for passwords that a plan does not keep.
    Raises UsageError.
    """
    environ = os.environ if environ is None else environ
    passwords = {s.key: s.text for s in kept if s.text != NOT_KEPT}
    found: dict[str, Given] = {}
    faults: list[str] = []
    for setting in settings:
        text = setting.text
        if text == NOT_KEPT and setting.key not in passwords:
            faults.append(f"{setting.key}: the plan does not keep this password")
            continue
        text = passwords[setting.key] if text == NOT_KEPT else text
        try:
            found[setting.key] = Given(setting.key, _value(text, environ), _is_reference(text))
        except UsageError as error:
            faults.append(f"{setting.key}: {error}")
    if faults:
        raise UsageError(
            "values that are not there: " + "; ".join(faults),
            hint="give passwords as KEY=@env:NAME or KEY=@file:PATH",
        )
    return tuple(found.values())


def _is_reference(text: str) -> bool:
    return text.startswith((_ENV, _FILE))


def _value(text: str, environ: Mapping[str, str]) -> str:
    if text.startswith(_TEXT):
        return text.removeprefix(_TEXT)
    if text.startswith(_ENV):
        name = text.removeprefix(_ENV)
        if name not in environ:
            raise UsageError(f"there is no environment variable {name!r}")
        return environ[name]
    return _from_file(Path(text.removeprefix(_FILE))) if text.startswith(_FILE) else text


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_VALUE + 1)
    except (OSError, ValueError) as error:
        raise UsageError(getattr(error, "strerror", None) or str(error), path=path) from None
    if len(data) > MAX_VALUE:
        raise UsageError(f"more than {MAX_VALUE} bytes", path=path)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError("not UTF-8", path=path) from None
    return text.removesuffix("\n").removesuffix("\r")
