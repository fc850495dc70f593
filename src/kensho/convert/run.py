"""Run a plan: move the disks, write the documents, verify, publish. It decides nothing."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from kensho import __version__
from kensho.appliances import Package
from kensho.appliances.ova.arrival import Arrival
from kensho.appliances.package import Container, DiskJob, Document, PlacedDisk, Renderer
from kensho.convert.adapted import Adapted, adapted_package, record_name, write_record
from kensho.convert.arriving import arriving, awaited, in_order
from kensho.convert.deployed import Beside, demand_licences, deployed, put_beside
from kensho.convert.deployment.attach import Way
from kensho.convert.deployment.settings import Setting, resolve
from kensho.convert.events import Listener, Message, Moved, Step, ignore
from kensho.convert.noting import note_name, noted, read_back, rehearse
from kensho.convert.plan import Plan, check_runnable, with_values, without_login
from kensho.convert.renewing import IdentityPolicy
from kensho.convert.report import render_html, report_names
from kensho.convert.result import Output, Result
from kensho.convert.source import check_digests, identify, opened, opened_image
from kensho.convert.steps import DiskStep
from kensho.convert.verify import verify_container, verify_folder
from kensho.convert.workspace import Workspace, demand_place, plan_digest, workspace
from kensho.disks import DiskReader, DiskWriter, content_root, create_disk, open_disk
from kensho.disks.copy import copy_disk
from kensho.disks.resume import pending_disk
from kensho.guest.volumes.luks.device import Key
from kensho.model.appliance import Provenance
from kensho.model.errors import CorruptError, NoSpaceError
from kensho.model.finding import Finding
from kensho.model.origin import dump_origin
from kensho.model.progress import Meter
from kensho.platforms import Form, find_form, find_platform
from kensho.storage.atomic import PendingFile
from kensho.storage.base import ByteSink
from kensho.storage.file import FileSource


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run: nothing here changes what the result contains but ``compression``."""

    overwrite: bool = False
    verify: bool = True
    check_manifest: bool = True
    compression: str = "fast"
    threads: int | None = None


def run_plan(
    plan: Plan,
    out: Path,
    *,
    options: Options = Options(),  # noqa: B008 - frozen
    settings: tuple[Setting, ...] = (),
    listener: Listener = ignore,
    cancelled: Callable[[], bool] | None = None,
    arrival: Arrival | None = None,
    keys: Sequence[Key] = (),
) -> Result:
    """Carry a plan out into the folder ``out`` and return what was made.

    ``settings`` are the properties as the user gave them, for the passwords that a plan does not
    hold, and so are the ``keys`` of encrypted volumes; ``arrival`` is the package that was planned when it comes through a pipe. Raises PlanBlockedError, EulaNotAcceptedError, UsageError when the result exists, CorruptError when the source
    has changed since the plan, ManifestMismatchError, NoSpaceError, VerificationError. After
    any error nothing that looks finished is in ``out``.
    """
    check_runnable(plan)
    demand_licences(plan)
    if plan.reads_once and arrival is None:
        arrival = arriving()
    _check_identity(plan, arrival, "since the plan was made")
    started = time.monotonic()
    form = find_form(find_platform(plan.target), plan.form)
    given = resolve(plan.request.deployment.settings, kept=settings)
    selection = with_values(plan.request.selection, given)
    with opened(plan.request.source, selection, arrival) as package:
        private, beside = deployed(plan, package, given)
        outputs = _outputs(private, form, beside)
        demand_place(plan, out, overwrite=options.overwrite, outputs=outputs)
        findings = _check_source(package, plan, options, listener)
        with (
            workspace(plan, out, overwrite=options.overwrite, outputs=outputs) as made,
            adapted_package(package, plan, made.guests, listener, keys) as adapted,
        ):
            space = made.bound_to(adapted.stamp) if adapted.stamp else made
            _announce(space, listener)
            mover = _Mover(adapted, options, listener, cancelled)
            try:
                if form.container:
                    disks, names = _run_container(private, form, mover, space)
                else:
                    disks, names = _run_folder(private, form, mover, space)
                names = (*names, *put_beside(plan, beside.documents, space))
            except OSError as error:
                raise _as_kensho(error, out) from error
            if arrival is not None:
                findings = arrival.finish(package)
            disks = _with_roots(disks, mover.roots)
            check = "skipped"
            if options.verify:
                verify = verify_container if form.container else verify_folder
                mover.roots |= verify(
                    adapted.package,
                    plan,
                    form,
                    space.folder,
                    disks,
                    partial(_meter, listener),
                    mover.keeps,
                )
                check = "ok"
            disks = _with_roots(disks, mover.roots)
            if name := record_name(plan):
                write_record(adapted, plan, disks, space.staged(name))
                names = (*names, name)
            _check_identity(plan, arrival, "while it was being converted")
            result = _result(plan, form, out, space, disks, names, findings, check, started)
            result = msgspec.structs.replace(result, eula=beside.eula)
            html, json = report_names(plan.name, plan.target, plan.form)
            space.put(html, render_html(result).encode())
            space.put(json, msgspec.json.format(msgspec.json.encode(result), indent=2))
            space.publish((*names, json, html))
            return result


def _outputs(plan: Plan, form: Form, beside: Beside) -> tuple[str, ...]:
    """Return the names of all files to be made; a device the form cannot say is refused here."""
    reports = report_names(plan.name, plan.target, plan.form)
    texts = tuple(document.name for document in beside.documents)
    texts += tuple(filter(None, (record_name(plan),)))
    if form.container:
        note = filter(None, (note_name(plan, form),))
        beside_it = tuple(d.name for d in _beside_container(plan, form, ()))
        return (form.container_name(plan.name), *texts, *beside_it, *note, *reports)
    # Renderers are pure: what they would write is known before the disks are copied.
    documents = _render(plan, form, tuple(_planned(step) for step in plan.disks))
    disks = (step.filename for step in plan.disks)
    note = filter(None, (note_name(plan, form, documents),))
    return (*disks, *texts, *(document.name for document in documents), *note, *reports)


def _planned(step: DiskStep) -> PlacedDisk:
    return PlacedDisk(
        image=step.image,
        filename=step.filename,
        format=step.format,
        subformat=step.subformat,
        virtual_size=step.virtual_size,
        file_size=0,
        data_size=step.data_size,
    )


def _render(plan: Plan, form: Form, disks: tuple[PlacedDisk, ...]) -> tuple[Document, ...]:
    render = cast("Renderer", _load(form.render))
    return render(_named(plan), {disk.image: disk for disk in disks})


def _with_roots(disks: tuple[PlacedDisk, ...], roots: dict[str, str]) -> tuple[PlacedDisk, ...]:
    return tuple(
        msgspec.structs.replace(d, content_root=roots.get(d.image, d.content_root)) for d in disks
    )


def _check_identity(plan: Plan, arrival: Arrival | None, when: str) -> None:
    if not plan.identity:
        raise CorruptError("the plan does not say what its source was", field="identity")
    for planned in plan.identity:
        now = identify(planned.path, arrival)
        if now != planned:
            raise CorruptError(
                f"the source has changed {when}",
                path=planned.path,
                hint="make sure that nothing writes to it, and start again",
            )


def _check_source(
    package: Package, plan: Plan, options: Options, listener: Listener
) -> tuple[Finding, ...]:
    if package.arrival is not None:  # its files are checked as they come
        awaits = awaited(package, plan.disks)
        package.arrival.begin(package, awaits, check=options.check_manifest)
        return ()
    if package.manifest is None or not options.check_manifest:
        return ()
    listener(Step("manifest", package.path))
    return check_digests(package, _meter(listener, "manifest", Path(package.path).name))


def _announce(space: Workspace, listener: Listener) -> None:
    if space.resumed:
        names = ", ".join(d.filename for d in space.resumed)
        listener(Message(f"resuming: kept from the unfinished run: {names}"))
    elif space.discarded:
        listener(Message("starting clean: the unfinished run there had nothing to keep"))


def _meter(listener: Listener, phase: str, subject: str) -> Meter:
    return Meter(subject, phase, lambda progress: listener(Moved(progress)))


class _Mover:
    """Moves one disk of the open package into a writer, with progress."""

    def __init__(
        self,
        adapted: Adapted,
        options: Options,
        listener: Listener,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.package = adapted.package
        self.keeps = {image: root.keep for image, root in adapted.before.items()}
        self.options = options
        self.roots: dict[str, str] = {}  # content root by image
        self._listener = listener
        self._cancelled = cancelled

    def opener(self, step: DiskStep) -> Callable[[], AbstractContextManager[DiskReader]] | None:
        """Return what opens a disk of the source, None when it comes through a pipe."""
        if self.package.arrival is not None:
            return None
        return partial(opened_image, self.package, step.image)

    def __call__(self, step: DiskStep, writer: DiskWriter, start: int = 0) -> int:
        """Copy a disk's content from ``start`` on; return the bytes that are not zero."""
        self._listener(Step("copy", step.filename))
        with opened_image(self.package, step.image) as reader:
            if start:
                share = 100 * start // max(reader.virtual_size, 1)
                self._listener(Message(f"resuming: {step.filename} goes on at {share} %"))
            result = copy_disk(
                reader,
                writer,
                threads=self.options.threads,
                on_bytes=_meter(self._listener, "copy", step.filename),
                cancelled=self._cancelled,
                # Verification hashes what it reads; only without it this pass has to. What comes
                # through a pipe, or changes meanwhile, is compared by its root.
                root=self.package.arrival is not None
                or self.package.changing
                or not (self.options.verify or start),
                keep=self.keeps.get(step.image),
                start=start,
            )
            if start and not self.options.verify:
                self.roots[step.image] = content_root(
                    reader, threads=self.options.threads, keep=self.keeps.get(step.image)
                )
        if result.content_root is not None:
            self.roots[step.image] = result.content_root
        return result.data_bytes


def _run_folder(
    plan: Plan, form: Form, mover: _Mover, space: Workspace
) -> tuple[tuple[PlacedDisk, ...], tuple[str, ...]]:
    """Write each disk as a file of its own, then the documents that refer to them."""
    done = list(space.resumed)
    for step in in_order(mover.package, plan.disks):
        if any(d.filename == step.filename for d in done):
            continue
        path = space.staged(step.filename)
        create = partial(_begin_disk, plan, step, mover.options)
        # What changes cannot be gone on with: the rest would be from another time.
        once = os.urandom(16) if mover.package.changing else b""
        key = _disk_key(plan, step, mover.options) + once
        with pending_disk(path, key, create) as pending:
            data_size = mover(step, pending.writer, pending.start) + pending.done
        done.append(
            PlacedDisk(
                image=step.image,
                filename=step.filename,
                format=step.format,
                subformat=step.subformat,
                virtual_size=step.virtual_size,
                file_size=path.stat().st_size,
                data_size=data_size,
                content_root=mover.roots.get(step.image, ""),
                identity=_identity_of(path, step),
            )
        )
        space.record(tuple(done))
    order = {step.filename: number for number, step in enumerate(plan.disks)}
    disks = tuple(sorted(done, key=lambda d: order[d.filename]))
    documents = _render(plan, form, disks)
    names = [d.filename for d in disks]
    told = any(step.way is Way.GUESTINFO and step.secrets for step in plan.environments)
    for document in documents:
        space.put(document.name, document.data, executable=document.executable, private=told)
        names.append(document.name)
    if name := note_name(plan, form, documents):
        images = {d.filename for d in disks}
        found = read_back([space.staged(name) for name in names if name not in images])
        names.append(_put_note(name, noted(plan, found), space))
    return disks, tuple(names)


def _put_note(name: str, origin: Provenance | None, space: Workspace) -> str:
    assert origin is not None
    space.put(name, dump_origin(origin, indent=1).encode() + b"\n")
    return name


def _identity_of(path: Path, step: DiskStep) -> str:
    """Return what a disk that was written calls itself; empty when its format has no word for it."""
    with FileSource(path) as source:
        reader = open_disk(source, format=step.format)
        try:
            return str(reader.details.get("identity", ""))
        finally:
            reader.close()


def _run_container(
    plan: Plan, form: Form, mover: _Mover, space: Workspace
) -> tuple[tuple[PlacedDisk, ...], tuple[str, ...]]:
    """Write everything into one file, in one pass."""
    name = form.container_name(plan.name)
    jobs = [
        DiskJob(s.image, s.virtual_size, partial(mover, s), mover.opener(s)) for s in plan.disks
    ]
    write = cast("Container", _load(form.container))
    origin = None
    if plan.after.origin is not None:
        origin = noted(plan, rehearse(plan, form, write, space.folder))
    with PendingFile(space.folder / name) as pending:
        disks = write(
            pending.sink,
            msgspec.structs.replace(_named(plan), origin=origin),
            jobs,
            name=plan.name,
            timestamp=plan.timestamp,
            compression=mover.options.compression,
        )
    names = [name]
    for document in _beside_container(plan, form, disks):
        space.put(document.name, document.data, executable=document.executable)
        names.append(document.name)
    if note_name(plan, form):
        names.append(_put_note(note_name(plan, form), origin, space))
    return disks, tuple(names)


def _beside_container(
    plan: Plan, form: Form, disks: tuple[PlacedDisk, ...]
) -> tuple[Document, ...]:
    """Return the documents of a form that has some beside its one file."""
    if not form.render:
        return ()
    return _render(plan, form, disks or tuple(_planned(step) for step in plan.disks))


def _named(plan: Plan) -> Any:
    return msgspec.structs.replace(plan.after, name=plan.name)


def _begin_disk(plan: Plan, step: DiskStep, options: Options, sink: ByteSink) -> DiskWriter:
    return create_disk(
        step.format,
        step.subformat,
        sink,
        step.virtual_size,
        compression=options.compression,
        identity=_disk_identity(plan, step),
    )


def _disk_key(plan: Plan, step: DiskStep, options: Options) -> bytes:
    """Return what two runs must share for one to go on with a disk of the other."""
    return msgspec.json.encode((plan_digest(plan), step, options.compression))


def _disk_identity(plan: Plan, step: DiskStep) -> bytes:
    """Return what a disk's identifiers are derived from: same source and plan, same bytes."""
    drawn: tuple[object, ...] = ()
    if plan.request.machine_identity is IdentityPolicy.NEW:  # a copy's disks are others, too
        drawn = tuple((m.uuid, *(n.mac for n in m.nics)) for m in plan.after.machines)
    if plan.adaptation is not None:  # other content, another disk
        drawn = (*drawn, plan.adaptation.platforms)
    return msgspec.json.encode((plan.identity, plan.target, plan.form, step.filename, *drawn))


def _result(
    plan: Plan,
    form: Form,
    out: Path,
    space: Workspace,
    disks: tuple[PlacedDisk, ...],
    names: tuple[str, ...],
    findings: tuple[Finding, ...],
    check: str,
    started: float,
) -> Result:
    digests = {d.filename: d.sha256 for d in disks}
    return Result(
        kensho=__version__,
        target=plan.target,
        form=form.name,
        folder=str(out),
        files=tuple(Output(n, space.staged(n).stat().st_size, digests.get(n, "")) for n in names),
        disks=disks,
        seconds=round(time.monotonic() - started, 2),
        findings=(*plan.findings, *findings),
        check=check,
        report=str(out / report_names(plan.name, plan.target, plan.form)[0]),
        plan=without_login(plan),
    )


def _load(target: str) -> Callable[..., Any]:
    module, _, function = target.partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), function))


def _as_kensho(error: OSError, out: Path) -> Exception:
    import errno

    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpaceError("no space left while writing", path=out)
    return error


__all__ = ["Options", "run_plan"]
