"""What `kensho prove` needs before it starts anything: the signer's key, licences, what is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from kensho.cli.flags import Amount
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

#: A key and its certificates, the signer's first, in DER.
Signer: TypeAlias = "tuple[PrivateKey | Ed25519PrivateKey, list[bytes]]"


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """How guests are run.

    Parameters
    ----------
    memory
        MiB for each guest; by default what the machine has, at most 2048, and 512 where that is not known.
    timeout
        Seconds for a start to take; by default 240 where emulation runs as on an idle machine, more where
        it is slower.
    report
        Have a Linux guest say which drivers it uses: a script on an overlay that is thrown away.
    resume
        Take over what a run of the same proof that was stopped has tried already; the statement says so.
    """

    memory: Annotated[int, Amount] = 0
    timeout: Annotated[float, Amount] = 0
    report: bool = True
    resume: bool = True


@Parameter(name="*")
@dataclass(frozen=True)
class Signing:
    """Who signs a statement.

    Parameters
    ----------
    sign_key
        Private key to sign the statement with: Ed25519, RSA or EC, in PEM.
    sign_cert
        The key's certificate with its chain, in PEM, to go along.
    sign_key_password_file
        File whose first line is the key's password; KENSHO_KEY_PASSWORD has it, too, or it is asked for.
    """

    sign_key: Path | None = None
    sign_cert: Path | None = None
    sign_key_password_file: str | None = None

    def signer(self) -> Signer | None:
        """Return the key that signs and its certificates; a password is asked for where there is one."""
        key, password = self.sign_key, None
        if key is None:
            if self.sign_cert is not None or self.sign_key_password_file is not None:
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
        if encrypted:
            asked = f"the password of {key}"
            password = read_secret(self.sign_key_password_file, "KENSHO_KEY_PASSWORD", asked)
        return load_signer(key, self.sign_cert, password)


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
