"""The plan: everything a run will do, as data, made without writing a byte.

A plan can be kept as JSON, read by people and programs, and run later; the run does
nothing that is not in it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from kensho.appliances import Package
from kensho.appliances.names import file_stem
from kensho.appliances.ova.arrival import Arrival
from kensho.convert.adaptation import Adaptation, Wanted, new_addresses
from kensho.convert.arriving import PIPE, arriving, foresee
from kensho.convert.deployment.attach import EnvironmentStep
from kensho.convert.deployment.placing import Placed, place
from kensho.convert.deployment.properties import Assigned, demand, to_keep
from kensho.convert.deployment.settings import Given, resolve
from kensho.convert.deployment.settle import Deployment, settle, shown, summarise
from kensho.convert.fitting import Fitter, look_at_guests
from kensho.convert.mapping import DeviceRow, Devices, choose_policy, map_machine, written_back
from kensho.convert.nvram import keep_nvram
from kensho.convert.renewing import IdentityPolicy, draw, renew
from kensho.convert.returning import Returned, at_home, home_policy, take_note, without_note
from kensho.convert.rootfs import look_for_root
from kensho.convert.rules import ImageFacts, Journey, check_all
from kensho.convert.source import Identity, identify, opened, opened_image, select_machine
from kensho.convert.starting import all_connect, all_start
from kensho.convert.steps import DiskStep
from kensho.disks import DiskReader
from kensho.guest.volumes.luks.device import Key
from kensho.model import guest_os
from kensho.model.appliance import Appliance, Provenance
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LocatorError,
    NoSpaceError,
    PlanBlockedError,
    UnsafePathError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Kind
from kensho.model.finding import Finding, Severity, at_least
from kensho.model.machine import Firmware, GuestOs, Machine
from kensho.model.secrets import hide_all
from kensho.model.selection import Selection
from kensho.model.units import MIB
from kensho.platforms import Form, Platform, find_form, find_platform
from kensho.platforms.chosen import at, in_form
from kensho.platforms.oci_rootfs import FORMAT as FILES
from kensho.storage.locator import shown as shown_place

PLAN_VERSION = 1
_LISTED = 10
#: Names in the folder a result is made in that are not the result's; see `workspace`.
LOCK, JOURNAL = "lock", "journal.json"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the user asked for."""

    source: str
    target: str
    form: str | None = None
    name: str | None = None
    machine: str | None = None
    firmware: Firmware | None = None
    guest: str | None = None  #: a key of ``kensho.model.guest_os``
    devices: Devices = Devices.AUTO
    version: str | None = None  #: one of the platform's; its limits hold then
    selection: Selection = Selection()
    deployment: Deployment = Deployment()
    origin: bool = True  #: use the note of where the machine came from, and write one
    machine_identity: IdentityPolicy = IdentityPolicy.KEEP
    adapt: Wanted = Wanted()  #: what the guests are to be changed for
    look: bool = True  #: into the guests, for devices that they have drivers for


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A complete plan. ``before`` is the source as read, ``after`` as the target will have it."""

    kensho_plan: int = PLAN_VERSION
    request: Request
    source_kind: str
    identity: tuple[Identity, ...]
    target: str
    form: str
    name: str
    timestamp: int  #: seconds since 1970, from the source: the only time in the result
    before: Appliance
    after: Appliance
    disks: tuple[DiskStep, ...]
    devices: tuple[DeviceRow, ...]
    findings: tuple[Finding, ...]
    bytes_to_read: int
    space_needed: int
    environments: tuple[EnvironmentStep, ...] = ()
    adaptation: Adaptation | None = None  #: None when the guests are left as they are

    @property
    def reads_once(self) -> bool:
        """Tell whether the source is a pipe, of which a later run could not go on."""
        return self.request.source == PIPE

    @property
    def blocked(self) -> tuple[Finding, ...]:
        """The findings that forbid a run."""
        return at_least(self.findings, Severity.BLOCKED)


def make_plan(
    request: Request,
    *,
    out: Path | None = None,
    arrival: Arrival | None = None,
    keys: Sequence[Key] = (),
) -> Plan:
    """Read a source and plan its way to a target; nothing is written.

    ``out`` is where the result will go, to see whether it fits. ``arrival`` is the package when it
    comes through a pipe (source ``-``), for a run to go on with; no disk is read of it. Raises LocatorError,
    FormatError and PackageError kinds when the source cannot be read at all; what can be
    said about a readable source becomes a finding. UsageError for properties and networks that
    there are not, and for values that are none.

    ``keys`` open volumes of LUKS. The plan holds no password: not in ``request``, not in ``before``
    and ``after``.
    """
    platform = find_platform(request.target)
    if request.version is not None:
        platform = at(platform, request.version)
    form = find_form(platform, request.form)
    platform = in_form(platform, form)
    if request.source == PIPE and arrival is None:
        arrival = arriving()
    request = _for_target(request, platform)
    given = resolve(request.deployment.settings)
    with opened(request.source, with_values(request.selection, given), arrival) as package:
        assigned, whole = settle(package.appliance, request.deployment, given)
        chosen = select_machine(whole, request.machine)
        if not request.origin:
            chosen = msgspec.structs.replace(chosen, origin=None)
        chosen, secrets = hide_all(chosen)
        returned = take_note(chosen, package.kind, platform)
        if returned.home and not _fits(returned, platform, form):
            returned = without_note(chosen, package.kind)
        before = _with_overrides(returned.basis, request)
        renewed = request.machine_identity is IdentityPolicy.NEW
        drawn = draw(returned.first, platform) if renewed else {}
        guests = look_at_guests(
            package,
            before,
            request.source,
            platform,
            request.adapt,
            cheaply=request.look,
            renewed=renewed,
            macs=new_addresses(before.machines, form, drawn),
            keys=keys,
        )
        before = guests.appliance
        demand(assigned, before if given else None)
        name = file_stem(request.name or before.name)
        facts, problems, opened_files = _look_at_images(package, before)
        if form.disk.format == FILES:
            problems.extend(look_for_root(package, before))
        fitter = Fitter(
            platform,
            form,
            request.devices,
            guests.kernels,
            adapted=guests.adaptation is not None,
        )
        placed = _map(before, platform, form, request, name, assigned, fitter, home=returned.home)
        after = keep_nvram(package, before, placed.after, form, name)
        if renewed:
            after = renew(after, drawn, form.carries)
            returned = replace(returned, first=renew(returned.first, drawn, None))
        placed = replace(placed, after=after)
        disks = tuple(_disk_steps(facts, form, name))
        journey = Journey(
            before=before,
            after=placed.after,
            platform=platform,
            form=form,
            images=tuple(facts.values()),
            space_needed=sum(map(_space, disks)) + 2 * guests.size + MIB,
            space_free=None if out is None else _free(out),
            settled=summarise(before, request.deployment, assigned),
            environments=placed.environments,
            noted=request.origin,
            renewed=renewed,
            starting=frozenset(
                m.id
                for m in placed.after.machines
                if all_start(m, guests.kernels.get(m.id, ()), platform.name)
            ),
            connecting=frozenset(
                m.id for m in placed.after.machines if all_connect(m, guests.kernels.get(m.id, ()))
            ),
        )
        return Plan(
            request=_without_passwords(request, assigned),
            source_kind=package.kind,
            identity=_identities(package, before, opened_files, request.source),
            target=platform.name,
            form=form.name,
            name=name,
            timestamp=_when(package, request.source),
            before=shown(before, assigned),
            after=_with_note(shown(placed.after, assigned), returned, assigned, request),
            disks=disks,
            devices=placed.rows,
            findings=_unique(
                (
                    *package.findings,
                    *returned.findings,
                    *problems,
                    *guests.findings,
                    *fitter.findings,
                    *_left_out(chosen, secrets),
                    *check_all(journey),
                )
            ),
            bytes_to_read=sum(step.data_size for step in disks),
            space_needed=journey.space_needed,
            environments=placed.environments,
            adaptation=guests.adaptation,
        )


def _left_out(source: Appliance, secrets: tuple[str, ...]) -> Iterator[Finding]:
    """Say which settings had passwords in them."""
    if secrets:
        more = f" and {len(secrets) - _LISTED} more" if len(secrets) > _LISTED else ""
        places = ", ".join(place[:80] for place in secrets[:_LISTED])
        yield Finding(
            "KF-458",
            Severity.NOTE,
            f"passwords among the source's settings are left out: {places}{more}",
            source.name,
            "they are in no plan, report, note or result; set them again there",
        )


def _for_target(request: Request, platform: Platform) -> Request:
    """Return the request with what the target likes of hardware the package may offer."""
    selection = msgspec.structs.replace(request.selection, families=platform.hardware)
    return msgspec.structs.replace(request, selection=selection)


def check_runnable(plan: Plan) -> None:
    """Raise PlanBlockedError, naming the first reason, when the plan must not run."""
    if plan.blocked:
        first = plan.blocked[0]
        more = f" (and {len(plan.blocked) - 1} more)" if len(plan.blocked) > 1 else ""
        raise PlanBlockedError(
            f"{first.code}: {first.message}{more}",
            path=shown_place(plan.request.source),
            hint=first.action,
        )


def without_login(plan: Plan) -> Plan:
    """Return a plan to show: addresses without a login and a query, which may be secrets.

    It is not one to run, where they are needed.
    """
    change = msgspec.structs.replace
    return change(
        plan,
        request=change(plan.request, source=shown_place(plan.request.source)),
        identity=tuple(change(known, path=shown_place(known.path)) for known in plan.identity),
    )


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan as JSON, in the place of an earlier one but of nothing else.

    UsageError when there is another file, which may be the machine itself, LocatorError when the
    place cannot be written to.
    """
    try:
        if path.is_file() and path.stat().st_size and not looks_like_plan(path):
            raise UsageError(
                "is there already and is no plan",
                path=path,
                hint="-o of plan is the file to keep it in; --into is the folder of the result",
            )
        path.touch()
        if without_login(plan) != plan:  # a run needs it, and nobody else
            path.chmod(0o600)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
    except OSError as error:
        raise LocatorError(f"cannot be written: {error.strerror}", path=path) from None


def read_plan(path: Path) -> Plan:
    """Read a plan back.

    Raises CorruptError when it is none, UsageError when it is of another version or names what
    there is not, UnsafePathError when a file name in it is not a plain one.
    """
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(f"not a plan: {error}", path=path) from error
    if plan.kensho_plan != PLAN_VERSION:
        raise UsageError(
            f"a plan of version {plan.kensho_plan}; this kensho runs version {PLAN_VERSION}",
            path=path,
            hint="make the plan again",
        )
    _check_names(plan, find_form(find_platform(plan.target), plan.form), path)
    return plan


def _check_names(plan: Plan, form: Form, path: Path) -> None:
    """Refuse names that `make_plan` would not give: they become files in the output folder."""
    folder = form.disk_name(plan.name, "")
    names = [plan.name, *(step.filename.removeprefix(folder) for step in plan.disks)]
    names += [step.filename for step in plan.environments if step.filename]
    for name in names:
        if _PLAIN_NAME.fullmatch(name) is None or name in {LOCK, JOURNAL}:
            raise UnsafePathError(
                f"not a plain file name: {name!r}", path=path, hint="make the plan again"
            )
    if len(set(names)) < len(names):
        raise CorruptError("two results have one name", path=path, hint="make the plan again")


def looks_like_plan(path: Path) -> bool:
    """Tell a plan from a source by its first bytes."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:  # whoever opens it as a source says why
        return False
    return head.lstrip().startswith(b"{") and b'"kensho_plan"' in head


def _with_overrides(appliance: Appliance, request: Request) -> Appliance:
    """Return the appliance with what the user knows better than the source."""
    machines = appliance.machines
    if request.firmware is not None:
        machines = tuple(_with_firmware(m, request.firmware) for m in machines)
    if request.guest is not None:
        guest = GuestOs(request.guest, description=guest_os.get(request.guest).title)
        machines = tuple(msgspec.structs.replace(m, guest=guest) for m in machines)
    return msgspec.structs.replace(appliance, machines=machines)


def _with_firmware(machine: Machine, kind: Firmware) -> Machine:
    firmware = msgspec.structs.replace(machine.firmware, kind=kind, stated=True)
    return msgspec.structs.replace(machine, firmware=firmware)


def _used_images(appliance: Appliance) -> tuple[str, ...]:
    return tuple(dict.fromkeys(d.image for m in appliance.machines for d in m.disks))


def _look_at_images(
    package: Package, appliance: Appliance
) -> tuple[dict[str, ImageFacts], list[Finding], list[Path]]:
    """Open every image in use and return its facts; what cannot be opened blocks the plan.

    The paths are those of all files that make up the images: extents and backing files, too.
    NoSpaceError when a packed one cannot be unpacked here.
    """
    facts: dict[str, ImageFacts] = {}
    problems: list[Finding] = []
    files: list[Path] = []
    for image_id in _used_images(appliance):
        image = appliance.image(image_id)
        file = appliance.file(image.file) if image else None
        filename = file.href if file else ""
        try:
            if package.arrival is not None and image is not None and image.file is not None:
                size, data = foresee(package, image)
                facts[image_id] = ImageFacts(image_id, filename, image.format, size, data, size)
                continue
            with opened_image(package, image_id) as reader:
                problems.extend(reader.warnings)
                files.extend(Path(source.name) for source in reader.sources)
                facts[image_id] = ImageFacts(
                    image=image_id,
                    filename=filename,
                    format=_format_name(reader),
                    virtual_size=reader.virtual_size,
                    data_size=sum(e.length for e in reader.extents() if e.kind is Kind.DATA),
                    stated=image.capacity if image else None,
                )
        except NoSpaceError:  # of TMPDIR: nothing is wrong with the disk
            raise
        except KenshoError as error:
            problems.append(
                Finding(
                    "KF-305",
                    Severity.BLOCKED,
                    str(error),
                    subject=filename or image_id,
                    action=error.hint or "the disk cannot be read; nothing is converted",
                )
            )
    return facts, problems, files


def _format_name(reader: DiskReader) -> str:
    return f"{reader.format} {reader.subformat}".strip()


def with_values(selection: Selection, given: tuple[Given, ...]) -> Selection:
    """Return the selection to open the source with: sizes may be said to be ``${property}``."""
    # The reader knows no MACHINE: in front of a key.
    pairs = tuple((one.key.rpartition(":")[2], one.value) for one in given)
    return msgspec.structs.replace(selection, properties=pairs) if pairs else selection


def _without_passwords(request: Request, assigned: Assigned) -> Request:
    kept = to_keep(request.deployment.settings, assigned)
    deployment = msgspec.structs.replace(request.deployment, settings=kept)
    return msgspec.structs.replace(request, deployment=deployment)


def _map(
    before: Appliance,
    platform: Platform,
    form: Form,
    request: Request,
    name: str,
    assigned: Assigned,
    fitter: Fitter,
    *,
    home: bool,
) -> Placed:
    def move(machine: Machine) -> Machine:
        if not home:
            return map_machine(machine, platform, form, fitter.policy(machine))
        as_it_was = request.devices is Devices.AUTO
        policy = (
            home_policy(platform)
            if as_it_was
            else choose_policy(machine, platform, request.devices)
        )
        after = at_home(map_machine(machine, platform, form, policy), machine)
        fitter.look(machine, after)
        return after

    placed = place(before, form, name, assigned, move)
    carries = form.carries
    after = msgspec.structs.replace(
        _renamed(placed.after, request),
        products=before.products if carries.products else (),
        eulas=before.eulas if carries.eulas else (),
        extras=written_back(before.extras, carries),
    )
    return replace(placed, after=after)


def _renamed(appliance: Appliance, request: Request) -> Appliance:
    """Return the appliance, and its machine if it is the only one, with the name the user gave."""
    if request.name is None:
        return appliance
    machines = appliance.machines
    if len(machines) == 1:
        machines = (msgspec.structs.replace(machines[0], name=request.name),)
    return msgspec.structs.replace(appliance, name=request.name, machines=machines)


def _fits(returned: Returned, platform: Platform, form: Form) -> bool:
    """Tell whether a machine has room where its note says that it came from."""
    try:
        for machine in returned.basis.machines:
            map_machine(machine, platform, form, home_policy(platform))
    except UnsupportedError:
        return False
    return True


def _with_note(
    after: Appliance, returned: Returned, assigned: Assigned, request: Request
) -> Appliance:
    """Return the mapped appliance with the note that its result gets; see `noting`.

    What the user said is the source's from now on: name, firmware, guest, values of properties.
    """
    if not request.origin:
        return after
    first = _renamed(_with_overrides(returned.first, request), request)
    origin = Provenance(
        kind=returned.kind,
        platform=returned.platform,
        source=shown(msgspec.structs.replace(first, files=()), assigned),
        written=Appliance(after.name),
    )
    return msgspec.structs.replace(after, origin=origin)


def _disk_steps(facts: dict[str, ImageFacts], form: Form, name: str) -> Iterator[DiskStep]:
    for number, fact in enumerate(facts.values(), start=1):
        plain = form.disk.suffix
        suffix = f".{plain}" if plain and not plain.startswith("-") else plain
        yield DiskStep(
            image=fact.image,
            source=fact.filename,
            source_format=fact.format,
            virtual_size=-(-fact.virtual_size // form.disk.size_step) * form.disk.size_step,
            data_size=fact.data_size,
            filename=form.disk_name(name, f"{name}-disk{number}{suffix}"),
            format=form.disk.format,
            subformat=form.disk.subformat,
        )


def _space(step: DiskStep) -> int:
    """Return the most a disk can take: its data in whole blocks, tables, and a little for luck."""
    blocks = min(step.data_size + step.data_size // 8, step.virtual_size) + 8 * MIB
    return blocks + step.virtual_size // 8192


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _when(package: Package, locator: str) -> int:
    """Return the seconds since 1970 at which the descriptor or container was changed."""
    if package.arrival is not None:
        return package.arrival.mtime
    is_file = Path(package.path).exists()
    return identify(package.path if is_file else locator).mtime_ns // 1_000_000_000


def _identities(
    package: Package, appliance: Appliance, files: list[Path], locator: str
) -> tuple[Identity, ...]:
    """Return the identities of the descriptor or container and of every file beside it.

    On a server, where each file is watched while it is read, that of the former only.
    """
    main = Path(package.path)
    if package.arrival is not None or not main.exists():
        return (identify(locator, package.arrival),)
    paths = [main]
    if package.kind != "ova":
        paths.extend(files)
        folder = main if main.is_dir() else main.parent
        for image in appliance.images:
            file = appliance.file(image.file)
            if file is not None and _is_file(folder / file.href):
                paths.append(folder / file.href)
    return tuple(identify(path) for path in dict.fromkeys(paths) if path.is_file())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file system has
        return False


def _unique(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))
