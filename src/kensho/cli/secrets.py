"""Passwords, which never come as arguments: from a file, the environment, or a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kensho.guest.volumes.luks.device import Key
from kensho.model.errors import LocatorError, UsageError

_LONGEST = 4096
_LARGEST_KEY = 8 << 20  #: bytes of a key file, as cryptsetup reads
KEY_VARIABLE = "KENSHO_KEY"  #: of a passphrase that is not in a file


def read_secret(file: str | None, variable: str, prompt: str, *, again: bool = False) -> bytes:
    """Return a password: a file's first line, an environment variable, or what is typed.

    ``again`` asks twice. UsageError when there is none and no terminal to ask on.
    """
    if file is not None:
        try:
            with Path(file).open("rb") as stream:
                return _not_empty(stream.readline(_LONGEST).rstrip(b"\r\n"))
        except OSError as error:
            raise LocatorError(f"cannot be read: {error.strerror}", path=file) from None
    if variable in os.environ:
        return _not_empty(os.environb[variable.encode()])
    if not sys.stdin.isatty():
        raise UsageError(
            f"{prompt} is needed", hint=f"give a file of it, or put it into {variable}"
        )
    import getpass

    typed = getpass.getpass(f"{prompt}: ")
    if again and getpass.getpass("once more: ") != typed:
        raise UsageError("the two are not the same")
    return _not_empty(typed.encode())


def read_keys(words: Sequence[str]) -> tuple[Key, ...]:
    """Return the keys of encrypted volumes: ``ID=FILE``, or ``ID`` for one that is asked for.

    UsageError as `read_secret`; LocatorError when a file cannot be read.
    """
    return tuple(_key(*word.partition("=")[::2]) for word in words)


def _key(target: str, file: str) -> Key:
    if not target:
        raise UsageError("--key takes ID=FILE", hint="ID is a volume, its UUID, or all")
    if not file:
        return Key(target, read_secret(None, KEY_VARIABLE, f"passphrase of {target}"))
    try:
        with Path(file).open("rb") as stream:
            return Key(target, _not_empty(stream.read(_LARGEST_KEY)))
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=file) from None


def _not_empty(secret: bytes) -> bytes:
    if not secret:
        raise UsageError("an empty password protects nothing")
    return secret
