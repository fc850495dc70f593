"""``kensho prove``: a machine is started on the hardware of other hypervisors, and what was seen is kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kensho.appliances.image.partitions import starts_by
from kensho.cli import exits
from kensho.cli.disk.opening import FormatOption
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.options import GuestWishes
from kensho.cli.progress import shown
from kensho.cli.render import console, print_json, table
from kensho.cli.targets import chosen_platforms
from kensho.convert.adapting import carry_out_guest, patched, plan_guests, recorded
from kensho.convert.events import Listener, Message, Step
from kensho.convert.guests import GuestDisks, opened_guests
from kensho.disks import DiskReader
from kensho.guest.adapt.changes import ChangeSet
from kensho.guest.inspect.inspect import inspect_disks
from kensho.model.errors import LocatorError, NotFoundError, ProofError, UsageError
from kensho.model.finding import Finding
from kensho.model.machine import Firmware
from kensho.platforms import PLATFORMS
from kensho.proof.accelerator import accelerator, slowness
from kensho.proof.evidence.gather import default_kernel, gather, write_evidence
from kensho.proof.evidence.page import adapter_words, root_words
from kensho.proof.inside.overlay import reporting
from kensho.proof.profiles import PROFILES, profile
from kensho.proof.profiles.base import Profile
from kensho.proof.prove import prove as prove_on
from kensho.proof.trial import Limits, Outcome, Trial

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from kensho.packages.signing.keys import PrivateKey

_MEMORY, _MOST_MEMORY = 512 << 20, 2 << 30
_SLOW, _FAST = 240, 120  #: seconds for a start, emulated on an idle machine and not emulated


def prove(
    *sources: Locator,
    on: str = "all",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    adapt: Annotated[bool, Flag] = False,
    wishes: GuestWishes = GuestWishes(),  # noqa: B008 - frozen
    machine: str | None = None,
    format: FormatOption = None,  # noqa: A002
    memory: int = 0,
    timeout: float = 0,
    report: bool = True,
    sign_key: Path | None = None,
    sign_cert: Path | None = None,
    json: Json = False,
) -> int:
    """Start a machine on the devices of other hypervisors, as far as QEMU has them, and keep what was seen.

    Its disks are read as they are, in any format, and nothing is written to them. Devices that QEMU
    does not have are judged from the guest's files, and that is said. Exits with 15 when it does not
    come up somewhere.

    Parameters
    ----------
    sources
        An appliance or a disk image, as for `kensho inspect`, or the images of all disks of one.
    on
        Platforms or profiles, with commas: vmware,hyperv-gen1. `kensho prove --on list` shows them.
    output
        A new folder for the evidence: page, statement, logs, pictures, bill of materials.
    adapt
        Prove the guest as `kensho adapt` would change it, without writing that anywhere.
    machine
        One machine of an appliance with several.
    memory
        MiB for the guest; by default what the machine has, at most 2048, and 512 where that is not known.
    timeout
        Seconds for a start to take; by default 240 where emulation runs as on an idle machine, more where
        it is slower.
    report
        Have a Linux guest say which drivers it uses: a script on an overlay that is thrown away.
    sign_key
        Private key to sign the statement with: Ed25519, RSA or EC, in PEM.
    sign_cert
        The key's certificate with its chain, in PEM, to go along.
    json
        Print one JSON object: trials.
    """
    if on == "list":
        _list(as_json=json)
        return exits.OK
    profiles, named = _chosen(on)
    if not sources or output is None:
        what = "nothing to prove" if not sources else "where to?"
        raise UsageError(what, hint="kensho prove APPLIANCE -o FOLDER")
    if os.path.lexists(output):
        raise LocatorError(
            "is there already", path=output, hint="remove it, or name another folder"
        )
    if not output.absolute().parent.is_dir():
        raise NotFoundError("there is no such folder", path=output.absolute().parent)
    signer = _signer(sign_key, sign_cert)
    with (
        shown(events=False, quiet=json) as listener,
        opened_guests(sources, machine=machine, format=format) as machines,
        tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".prove-") as scratch,
    ):
        if len(machines) > 1:
            names = ", ".join(m.id for m in machines)
            raise UsageError(f"has several machines: {names}", hint="--machine NAME")
        kept = Path(scratch) / "evidence"
        kept.mkdir()
        profiles = _suitable(machines[0], profiles, named)
        limits = _limits(machines[0], profiles, memory << 20, timeout)
        asked = ",".join(dict.fromkeys(p.platform for p in profiles))
        with _as_proven(
            machines[0], wishes, asked if adapt else "", Path(scratch), listener
        ) as made:
            disks, changes, findings = made
            trials = _trials(machines[0], disks, profiles, kept, Path(scratch), limits, listener,
                             reports=report)  # fmt: skip
            evidence = gather(
                machines[0], " ".join(sources), disks, changes, findings, trials, kept, asked,
                lambda place: listener(Step("hash", place)),
            )  # fmt: skip
        write_evidence(evidence, kept, signer)
        kept.rename(output)
    if json:
        print_json({"trials": trials, "output": str(output)})
    else:
        _show(trials, output)
    failed = any(trial.outcome is Outcome.FAIL for trial in trials)
    return ProofError.exit_code if failed else exits.OK


def _suitable(
    machine: GuestDisks, profiles: Sequence[Profile], named: frozenset[str]
) -> tuple[Profile, ...]:
    """Return the profiles of the firmware that the machine starts by, and those that were named."""
    if machine.machine is not None and machine.machine.firmware.stated:
        firmware = frozenset({machine.machine.firmware.kind})
    else:
        firmware = starts_by(machine.readers[0]) if machine.readers else frozenset(Firmware)
    found = tuple(p for p in profiles if p.name in named or p.firmware in firmware)
    if not found:
        kinds = ", ".join(kind.value for kind in firmware)
        raise UsageError(
            f"no profile there has the firmware it starts by: {kinds}", hint="name a profile itself"
        )
    return found


def _limits(
    machine: GuestDisks, profiles: Sequence[Profile], memory: int, timeout: float
) -> Limits:
    if not memory:
        known = machine.machine.memory.size if machine.machine is not None else 0
        memory = min(known, _MOST_MEMORY) or _MEMORY
    if all(profile.static for profile in profiles):
        return Limits(memory=memory, timeout=timeout)
    used = accelerator()
    longest = timeout or (_FAST if used == "kvm" else _SLOW * slowness())
    return Limits(memory=memory, timeout=longest, accelerator=used)


@contextmanager
def _as_proven(
    machine: GuestDisks, wishes: GuestWishes, targets: str, scratch: Path, listener: Listener
) -> Iterator[tuple[tuple[DiskReader, ...], ChangeSet | None, tuple[Finding, ...]]]:
    """Give the disks as they are to be proven, and what was changed on them for ``targets``."""
    if not targets:
        yield machine.readers, None, ()
        return
    platforms = chosen_platforms(targets, PLATFORMS)
    aims = wishes.wanted(platforms).aims(identity=wishes.renews)
    (planned,), findings = plan_guests((machine,), aims)
    adapted = carry_out_guest(planned, scratch / "adapted", listener)
    changes, _ = recorded((adapted,), "", [p.name for p in aims.platforms])
    with ExitStack() as stack:
        pairs = zip(machine.readers, adapted.pieces, strict=True)
        disks = tuple(stack.enter_context(patched(reader, pieces)) for reader, pieces in pairs)
        yield disks, changes, findings


def _trials(
    machine: GuestDisks, disks: Sequence[DiskReader], profiles: Sequence[Profile], kept: Path,
    scratch: Path, limits: Limits, listener: Listener, *, reports: bool,
) -> tuple[Trial, ...]:  # fmt: skip
    work = scratch / "report"
    work.mkdir()
    macs = tuple(n.mac for n in machine.machine.nics if n.mac) if machine.machine else ()
    with ExitStack() as stack:
        why = "not asked for"
        if reports:
            disks, why = stack.enter_context(reporting(disks, work))
        if why:
            listener(Message(f"the guest does not report: {why}"))
        return prove_on(
            disks, macs or ("52:54:00:12:34:56",), profiles, kept, limits,
            default_kernel=default_kernel(inspect_disks(disks)), reports=not why,
            on_event=lambda name, what: listener(Message(f"{name}: {what}")),
            on_trial=lambda t: listener(Message(f"{t.profile}: {t.outcome.value}, {t.reason}")),
        )  # fmt: skip


def _signer(
    key: Path | None, cert: Path | None
) -> tuple[PrivateKey | Ed25519PrivateKey, list[bytes]] | None:
    if key is None:
        if cert is not None:
            raise UsageError("--sign-cert needs --sign-key")
        return None
    from kensho.proof.evidence.signer import load_signer

    return load_signer(key, cert)


def _chosen(words: str) -> tuple[tuple[Profile, ...], frozenset[str]]:
    """Return profiles by their own names, which come apart, too, and all of the platforms named."""
    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise UsageError("no profile", hint="--on vmware,kvm; --on list shows them")
    if names == ["all"]:
        return PROFILES, frozenset()
    known = {row.name for row in PROFILES}
    found: dict[str, Profile] = {}
    for name in names:
        if name in known:
            found[name] = profile(name)
            continue
        (platform,) = chosen_platforms(name, PLATFORMS)
        rows = [row for row in PROFILES if row.platform == platform.name]
        if not rows:
            raise UsageError(
                f"there is no profile for {platform.name}", hint="--on list shows them"
            )
        found |= {row.name: row for row in rows}
    return tuple(found.values()), frozenset(names) & known


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json({"profiles": PROFILES})
        return
    rows = table("", "profile", "platform", "hardware", "what it is not")
    for row in PROFILES:
        rows.add_row(row.name, row.platform, row.title, row.static or row.nearest)
    console().print(rows)


def _show(trials: Sequence[Trial], output: Path) -> None:
    from rich.markup import escape

    colours = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.UNKNOWN: "yellow"}
    rows = table("", "profile", "how", "outcome", "root on", "adapter", "s>", "what was seen")
    for trial in trials:
        said = trial.reason if trial.cause is None else f"{trial.cause.what} ({trial.cause.code})"
        rows.add_row(
            trial.profile,
            "booted" if trial.started else "static",
            f"[{colours[trial.outcome]}]{trial.outcome.value}[/]",
            escape(root_words(trial)),
            escape(adapter_words(trial)),
            f"{trial.seconds:.0f}" if trial.started else "",
            escape(said),
        )
    console().print(rows)
    console().print(f"written: {escape(str(output))}", soft_wrap=True)
