"""``kensho prove``: a machine is started on the hardware of other hypervisors, and what was seen is kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.asking import Asks
from kensho.cli.disk.opening import FormatOption
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.options import GuestWishes
from kensho.cli.progress import shown
from kensho.cli.proof_shown import answer, list_profiles, show_trials
from kensho.cli.proving import (
    Running,
    Signer,
    Signing,
    licences_to_accept,
    licences_to_know,
    plan_in_words,
    telling,
)
from kensho.cli.rehearsing import show_rehearsal
from kensho.cli.render import print_json
from kensho.cli.secrets import read_keys
from kensho.cli.targets import chosen_platforms
from kensho.convert.events import Listener, Message, Step
from kensho.convert.guests import GuestDisks, opened_guests
from kensho.guest.aims import Aims
from kensho.guest.volumes.luks.device import Key
from kensho.model.errors import LocatorError, NotFoundError, ProofError, UsageError
from kensho.model.machine import Eula
from kensho.platforms import PLATFORMS, Platform
from kensho.proof.choose import Choice, choose, other_firmware, suitable
from kensho.proof.evidence.foreseen import foreseen
from kensho.proof.evidence.gather import Order, gather, proven_disks, write_evidence
from kensho.proof.evidence.portability import Portability, ProvenDisk
from kensho.proof.guests import Proven, as_proven, as_tried, clashes
from kensho.proof.probes import Probe
from kensho.proof.prove import limits_of
from kensho.proof.prove import prove as prove_on
from kensho.proof.qemu.rooms import room
from kensho.proof.rehearse import rehearse
from kensho.proof.resume import Progress, basis_of, begun, unfinished
from kensho.proof.together.order import notes
from kensho.proof.trial import Trial, unproven
from kensho.storage.atomic import put_folder


def prove(
    *sources: Locator,
    on: str = "all",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    adapt: Annotated[bool, Flag] = False,
    wishes: GuestWishes = GuestWishes(),  # noqa: B008 - frozen
    machine: str | None = None,
    format: FormatOption = None,  # noqa: A002
    key: Annotated[tuple[str, ...], Flag] = (),
    running: Running = Running(),  # noqa: B008 - frozen
    asks: Asks = Asks(),  # noqa: B008 - frozen
    signing: Signing = Signing(),  # noqa: B008 - frozen
    accept_eula: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Start machines on the devices of other hypervisors, as far as QEMU has them, and keep what was seen.

    Its disks are read as they are, in any format, and nothing is written to them. Devices that QEMU
    does not have are judged from the guest's files, and that is said. Exits with 15 when it does not
    come up somewhere, or a probe is not answered. Several machines of an appliance are started together, in
    its start order, on networks of their own.

    Parameters
    ----------
    sources
        An appliance or a disk image, as for `kensho inspect`, or the images of all disks of one
        machine. They are never changed.
    on
        Platforms or profiles, with commas: vmware,hyperv-gen1. `kensho prove --on list` shows them.
    output
        A new folder for the evidence: page, statement, logs, pictures, bill of materials.
    adapt
        Prove the guest as `kensho adapt` would change it, without writing that anywhere.
    machine
        One machine of an appliance with several.
    key
        ID=FILE: what opens a LUKS volume, with ID its name, UUID or all; ID alone asks for it. Repeatable.
        It is for what is read from the guest's files: nobody types it where the guest asks.
    accept_eula
        Accept the appliance's licence agreements, which `kensho eula` shows: to start it is to use it.
    dry_run
        Show what would be started, with how much memory, and which licences are to accept; start nothing.
    json
        Print one JSON object: proven, trials, earlier, findings, output, files.
    """
    if on == "list":
        list_profiles(as_json=json)
        return exits.OK
    choice = choose(on)
    if not sources or (output is None and not dry_run):
        what = "nothing to prove" if not sources else "where to?"
        raise UsageError(what, hint="kensho prove APPLIANCE -o FOLDER, or --dry-run")
    if output is not None:
        _demand_free(output)
    signer = signing.signer()
    wanted = _Wanted(
        sources=sources, choice=choice, machine=machine, format=format, keys=read_keys(key),
        wishes=wishes, adapts=adapt, running=running, asks=asks, accepts=accept_eula,
    )  # fmt: skip
    if dry_run or output is None:
        _rehearse(wanted, as_json=json)
        return exits.OK
    trials, evidence = _prove(wanted, output, signer, quiet=json)
    if json:
        print_json(answer(trials, evidence, output))
    else:
        show_trials(trials, output)
    return ProofError.exit_code if unproven(trials) else exits.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be proven, and how; of guests as they are where it is not ``adapts``."""

    sources: tuple[str, ...]
    choice: Choice
    machine: str | None
    format: str | None
    keys: tuple[Key, ...]
    wishes: GuestWishes
    adapts: bool
    running: Running
    asks: Asks
    accepts: bool

    def aims(self, platforms: Sequence[Platform]) -> Aims | None:
        """Return what guests are to be adapted to, None where they are not."""
        if not self.adapts:
            return None
        aims = self.wishes.wanted(platforms).aims(identity=self.wishes.renews)
        return replace(aims, keys=self.keys)


def _demand_free(output: Path) -> None:
    if os.path.lexists(output):
        raise LocatorError(
            "is there already", path=output, hint="remove it, or name another folder"
        )
    if not output.absolute().parent.is_dir():
        raise NotFoundError(
            "there is no such folder", path=output.absolute().parent, hint="make it first"
        )


def _rehearse(wanted: _Wanted, *, as_json: bool) -> None:
    """Show what would be started."""
    sources = wanted.sources
    licences = licences_to_know(sources, wanted.choice.profiles, wanted.format)
    with opened_guests(sources, machine=wanted.machine, format=wanted.format) as machines:
        choice = suitable(wanted.choice, machines)
        probes = wanted.asks.probes_of(machines)
        planned = rehearse(choice.profiles, machines, wanted.running.memory << 20, probes)
        odd = (*notes(machines), *clashes(machines))
    show_rehearsal(planned, licences, odd, accepted=wanted.accepts, as_json=as_json)


def _prove(
    wanted: _Wanted, output: Path, signer: Signer | None, *, quiet: bool
) -> tuple[tuple[Trial, ...], Portability]:
    """Try all, write the evidence, and put it where it is to be."""
    licences = licences_to_accept(
        wanted.sources, wanted.choice.profiles, wanted.format, accepted=wanted.accepts
    )
    with (
        shown(events=False, quiet=quiet) as listener,
        opened_guests(wanted.sources, machine=wanted.machine, format=wanted.format) as machines,
        unfinished(output, listener) as partial,
        room(".prove-", output.absolute().parent) as scratch,
    ):
        wanted = replace(wanted, choice=suitable(wanted.choice, machines))
        probes = wanted.asks.probes_of(machines)
        odd = (*notes(machines), *clashes(machines), *other_firmware(wanted.choice, machines))
        for note in odd:
            listener(Message(f"{note.subject}: {note.message}; {note.action} ({note.code})"))
        platforms = chosen_platforms(wanted.choice.platforms, PLATFORMS)
        hashing = lambda place: listener(Step("hash", place))  # noqa: E731
        with as_proven(machines, wanted.aims(platforms), scratch, listener, wanted.keys) as proven:
            disks = proven_disks(proven.machines, hashing)
            trials, progress = _try_all(wanted, proven, disks, probes, (partial, scratch), listener)
            order = _order(wanted, machines, probes, platforms, licences)
            evidence = gather(
                order, proven, disks, trials, progress.folder, hashing,
                findings=odd, earlier=progress.earlier,
            )  # fmt: skip
        write_evidence(evidence, progress.folder, signer)
        _put(progress.folder, output)
    return trials, evidence


def _try_all(
    wanted: _Wanted, proven: Proven, disks: tuple[ProvenDisk, ...],
    probes: Sequence[tuple[Probe, ...]], places: tuple[Path, Path], listener: Listener,
) -> tuple[tuple[Trial, ...], Progress]:  # fmt: skip
    """Start guests on the profiles that are left to try; ``places`` are for the proof, and for what is thrown away."""
    (partial, scratch), asks, running = places, wanted.asks, wanted.running
    profiles = wanted.choice.profiles
    with as_tried(
        proven.machines, running.memory << 20, scratch, listener,
        reports=running.report and wanted.choice.starts, keys=wanted.keys, probes=probes,
    ) as guests:  # fmt: skip
        basis = basis_of(disks, guests, profiles, (running.timeout, asks.questions, asks.shutdown))
        progress = begun(partial, basis, listener, resume=running.resume)
        left = [profile for profile in profiles if profile.name not in progress.taken]
        trials = prove_on(
            guests, profiles, progress.folder,
            limits_of(profiles, running.timeout, asks.questions, asks.shutdown),
            on_event=lambda name, what: listener(Message(f"{name}: {what}")),
            on_trial=telling(left, listener), on_ended=progress.record, taken=progress.taken,
        )  # fmt: skip
    return trials, progress


def _order(
    wanted: _Wanted, machines: Sequence[GuestDisks], probes: Sequence[tuple[Probe, ...]],
    platforms: Sequence[Platform], licences: Sequence[Eula],
) -> Order:  # fmt: skip
    """Return what was asked for, as it is stated."""
    choice = wanted.choice
    plan = plan_in_words(
        choice.profiles,
        choice.platforms if wanted.adapts else "",
        machines,
        report=wanted.running.report,
    )
    foreknown = () if wanted.format is not None else foreseen(
        wanted.sources, wanted.machine, platforms,
        adapts=wanted.adapts, accepts=wanted.accepts, keys=wanted.keys,
    )  # fmt: skip
    return Order(
        sources=wanted.sources,
        targets=choice.platforms,
        accepted=licences,
        plan=(*plan, *(wanted.asks.in_words(probes) if choice.starts else ())),
        foreseen=foreknown,
        given=tuple(map(str, wanted.wishes.drivers)),
    )


def _put(kept: Path, output: Path) -> None:
    try:
        put_folder(kept, output)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise
        raise LocatorError(
            "is there by now: somebody else made it", path=output, hint="name another folder"
        ) from None
