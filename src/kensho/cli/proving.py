"""What `kensho prove` needs before it starts anything: the signer's key, licences, what is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kensho.convert.deployment.eulas import demand_accepted
from kensho.convert.events import Listener, Message
from kensho.convert.guests import GuestDisks
from kensho.model.errors import LocatorError, UsageError
from kensho.model.machine import Eula
from kensho.model.units import format_seconds
from kensho.proof.evidence.about import licences_of
from kensho.proof.profiles.base import Profile
from kensho.proof.together.order import in_words
from kensho.proof.trial import Trial
from kensho.storage.locator import shown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from kensho.packages.signing.keys import PrivateKey


def signer_of(
    key: Path | None, cert: Path | None, password_file: str | None
) -> tuple[PrivateKey | Ed25519PrivateKey, list[bytes]] | None:
    """Return the key that signs and its certificates; a password is asked for where there is one."""
    if key is None:
        if cert is not None or password_file is not None:
            raise UsageError("nothing is signed without a key", hint="add --sign-key")
        return None
    from kensho.cli.secrets import read_secret
    from kensho.packages.signing.keys import is_encrypted
    from kensho.proof.evidence.signer import load_signer

    try:
        with key.open("rb") as file:
            encrypted = is_encrypted(file.read(1 << 20))
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=key) from None
    password = None
    if encrypted:
        password = read_secret(password_file, "KENSHO_KEY_PASSWORD", f"the password of {key}")
    return load_signer(key, cert, password)


def licences_to_accept(
    sources: Sequence[str],
    profiles: Sequence[Profile],
    image_format: str | None,
    *,
    accepted: bool,
) -> tuple[Eula, ...]:
    """Return the licences that a start needs accepted; EulaNotAcceptedError when they are not.

    What is judged from files alone is not used, and needs none.
    """
    found = licences_to_know(sources, profiles, image_format)
    demand_accepted(len(found), accepted=accepted, source=shown(sources[0]))
    return found


def licences_to_know(
    sources: Sequence[str], profiles: Sequence[Profile], image_format: str | None
) -> tuple[Eula, ...]:
    """Return the licences that a start needs accepted."""
    if image_format is not None or all(profile.static for profile in profiles):
        return ()
    return licences_of(sources)


def telling(profiles: Sequence[Profile], listener: Listener) -> Callable[[Trial], None]:
    """Return what tells of each trial, and how many profiles of those to be started are done by then.

    Any thread may call it. The time that is left is what the others took, so the first one's is too long.
    """
    waiting = {profile.name for profile in profiles if not profile.static}
    total, begun, lock = len(waiting), time.monotonic(), threading.Lock()

    def tell(trial: Trial) -> None:
        words = f"{trial.name}: {trial.outcome.value}, {trial.reason}"
        with lock:
            if trial.profile in waiting:
                waiting.remove(trial.profile)
                done = total - len(waiting)
                left = (time.monotonic() - begun) / done * len(waiting)
                words += f" ({done} of {total}"
                words += f", about {format_seconds(left)} left)" if waiting else ")"
            listener(Message(words))

    return tell


def plan_in_words(
    profiles: Sequence[Profile], targets: str, machines: Sequence[GuestDisks], *, report: bool
) -> tuple[str, ...]:
    """Say what was asked for, for the statement."""
    started = [profile.name for profile in profiles if not profile.static]
    judged = [profile.name for profile in profiles if profile.static]
    return tuple(
        words
        for words, when in (
            (f"start on {', '.join(started)}", started),
            (in_words(machines), in_words(machines) and started),
            (f"judge from the guest's files for {', '.join(judged)}", judged),
            (f"the guest as kensho adapt changes it for {targets}", targets),
            ("the guest as it is", not targets),
            (
                "a script on an overlay that is thrown away has a Linux guest report",
                report and started,
            ),
        )
        if when
    )
