"""``kensho prove``: a machine is started on the hardware of other hypervisors, and what was seen is kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.asking import Asks
from kensho.cli.disk.opening import FormatOption
from kensho.cli.flags import Amount, Flag, Json, Locator
from kensho.cli.options import GuestWishes
from kensho.cli.progress import shown
from kensho.cli.proving import (
    licences_to_accept,
    licences_to_know,
    plan_in_words,
    signer_of,
    telling,
)
from kensho.cli.rehearsing import show_rehearsal
from kensho.cli.render import console, print_json, table
from kensho.cli.secrets import read_keys
from kensho.cli.targets import chosen_platforms
from kensho.convert.events import Message, Step
from kensho.convert.guests import opened_guests
from kensho.model.errors import LocatorError, NotFoundError, ProofError, UsageError
from kensho.platforms import PLATFORMS
from kensho.proof.choose import choose, other_firmware, suitable
from kensho.proof.evidence.foreseen import foreseen
from kensho.proof.evidence.gather import gather, proven_disks, write_evidence
from kensho.proof.evidence.page_words import adapter_words, root_words
from kensho.proof.evidence.portability import Portability
from kensho.proof.evidence.seen import answer_words
from kensho.proof.guests import as_proven, as_tried, clashes
from kensho.proof.profiles import PROFILES
from kensho.proof.prove import limits_of
from kensho.proof.prove import prove as prove_on
from kensho.proof.qemu.rooms import room
from kensho.proof.rehearse import rehearse
from kensho.proof.resume import basis_of, begun, unfinished
from kensho.proof.together.order import notes
from kensho.proof.trial import Outcome, Trial, unproven
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
    memory: Annotated[int, Amount] = 0,
    timeout: Annotated[float, Amount] = 0,
    report: bool = True,
    resume: bool = True,
    asks: Asks = Asks(),  # noqa: B008 - frozen
    sign_key: Path | None = None,
    sign_cert: Path | None = None,
    sign_key_password_file: str | None = None,
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
        An appliance or a disk image, as for `kensho inspect`, or the images of all disks of one.
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
    memory
        MiB for each guest; by default what the machine has, at most 2048, and 512 where that is not known.
    timeout
        Seconds for a start to take; by default 240 where emulation runs as on an idle machine, more where
        it is slower.
    report
        Have a Linux guest say which drivers it uses: a script on an overlay that is thrown away.
    resume
        Take over what a run of the same proof that was stopped has tried already; the statement says so.
    sign_key
        Private key to sign the statement with: Ed25519, RSA or EC, in PEM.
    sign_cert
        The key's certificate with its chain, in PEM, to go along.
    sign_key_password_file
        File whose first line is the key's password; KENSHO_KEY_PASSWORD has it, too, or it is asked for.
    accept_eula
        Accept the appliance's licence agreements, which `kensho eula` shows: to start it is to use it.
    dry_run
        Show what would be started, with how much memory, and which licences are to accept; start nothing.
    json
        Print one JSON object: proven, trials, earlier, findings, output, files.
    """
    if on == "list":
        _list(as_json=json)
        return exits.OK
    choice = choose(on)
    if not sources or (output is None and not dry_run):
        what = "nothing to prove" if not sources else "where to?"
        raise UsageError(what, hint="kensho prove APPLIANCE -o FOLDER, or --dry-run")
    if output is not None and os.path.lexists(output):
        raise LocatorError(
            "is there already", path=output, hint="remove it, or name another folder"
        )
    if output is not None and not output.absolute().parent.is_dir():
        raise NotFoundError("there is no such folder", path=output.absolute().parent)
    signer = signer_of(sign_key, sign_cert, sign_key_password_file)
    keys = read_keys(key)
    if dry_run or output is None:
        licences = licences_to_know(sources, choice.profiles, format)
        with opened_guests(sources, machine=machine, format=format) as machines:
            choice, probes = suitable(choice, machines), asks.probes_of(machines)
            planned = rehearse(choice.profiles, machines, memory << 20, probes)
            odd = (*notes(machines), *clashes(machines))
        show_rehearsal(planned, licences, odd, accepted=accept_eula, as_json=json)
        return exits.OK
    licences = licences_to_accept(sources, choice.profiles, format, accepted=accept_eula)
    with (
        shown(events=False, quiet=json) as listener,
        opened_guests(sources, machine=machine, format=format) as machines,
        unfinished(output, listener) as partial,
        room(".prove-", output.absolute().parent) as scratch,
    ):
        choice, probes = suitable(choice, machines), asks.probes_of(machines)
        odd = (*notes(machines), *clashes(machines), *other_firmware(choice, machines))
        for note in odd:
            listener(Message(f"{note.subject}: {note.message}; {note.action} ({note.code})"))
        platforms = chosen_platforms(choice.platforms, PLATFORMS)
        aims = wishes.wanted(platforms).aims(identity=wishes.renews) if adapt else None
        aims = replace(aims, keys=keys) if aims is not None else None
        with as_proven(machines, aims, scratch, listener, keys) as (made, changes, findings):
            starts = any(not profile.static for profile in choice.profiles)
            disks = proven_disks(made, lambda place: listener(Step("hash", place)))
            with as_tried(
                made,
                memory << 20,
                scratch,
                listener,
                reports=report and starts,
                keys=keys,
                probes=probes,
            ) as guests:
                basis = basis_of(
                    disks, guests, choice.profiles, (timeout, asks.questions, asks.shutdown)
                )
                progress = begun(partial, basis, listener, resume=resume)
                limits = limits_of(choice.profiles, timeout, asks.questions, asks.shutdown)
                trials = prove_on(
                    guests, choice.profiles, progress.folder, limits,
                    on_event=lambda name, what: listener(Message(f"{name}: {what}")),
                    on_trial=telling(
                        [p for p in choice.profiles if p.name not in progress.taken], listener
                    ),
                    on_ended=progress.record, taken=progress.taken,
                )  # fmt: skip
            evidence = gather(
                made, disks, sources, changes,
                (*findings, *odd), trials, progress.folder,
                choice.platforms, lambda place: listener(Step("hash", place)), accepted=licences,
                plan=(
                    *plan_in_words(choice.profiles, choice.platforms if adapt else "", machines, report=report),
                    *(asks.in_words(probes) if starts else ()),
                ),
                plans=foreseen(
                    sources, machine, platforms, adapts=adapt, accepts=accept_eula, keys=keys
                ) if format is None else (),
                given=tuple(map(str, wishes.drivers)), earlier=progress.earlier,
            )  # fmt: skip
        write_evidence(evidence, progress.folder, signer)
        _put(progress.folder, output)
    if json:
        print_json(_answer(trials, evidence, output))
    else:
        _show(trials, output)
    return ProofError.exit_code if unproven(trials) else exits.OK


def _answer(trials: Sequence[Trial], evidence: Portability, output: Path) -> dict[str, object]:
    """Return what a program is told; ``proven`` is what the exit code says."""
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    return {
        "proven": not unproven(trials),
        "trials": [{"how": trial.how, **msgspec.to_builtins(trial)} for trial in trials],
        "earlier": evidence.earlier,
        "findings": evidence.findings,
        "output": str(output),
        "files": files,
    }


def _put(kept: Path, output: Path) -> None:
    try:
        put_folder(kept, output)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise
        raise LocatorError(
            "is there by now: somebody else made it", path=output, hint="name another folder"
        ) from None


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json({"profiles": PROFILES})
        return
    rows = table("", "profile", "platform", "hardware", "what it is not")
    for row in PROFILES:
        rows.add_row(
            row.name,
            row.platform,
            row.title,
            f"static, judged from files: {row.static}" if row.static else row.nearest,
        )
    console().print(rows)


def _show(trials: Sequence[Trial], output: Path) -> None:
    from rich.markup import escape

    colours = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.UNKNOWN: "yellow"}
    rows = table("", "profile", "how", "outcome", "root on", "adapter", "s>", "what was seen")
    for trial in trials:
        said = trial.reason if trial.cause is None else f"{trial.cause.what} ({trial.cause.code})"
        answers = answer_words(trial)
        said += f"; {answers}" if answers else ""
        rows.add_row(
            escape(trial.name),
            trial.how,
            f"[{colours[trial.outcome]}]{trial.outcome.value}[/]",
            escape(root_words(trial)),
            escape(adapter_words(trial)),
            f"{trial.seconds:.0f}" if trial.started else "",
            escape(said),
        )
    console().print(rows)
    console().print(f"written: {escape(str(output))}", soft_wrap=True)
