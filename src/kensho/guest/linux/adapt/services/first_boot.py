"""A script that runs at the guest's next start: under systemd, OpenRC, Upstart or SysV scripts.

Sources: systemd.service(5), openrc-run(8), init(5) of Upstart, the Linux Standard Base 5, "Init Script Actions".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.services.disable import UNITS, level_folders

_SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
_TAB = "\t"
_UPSTART = "/etc/init"
_LISTED = "/etc/init.d/.depend.start"
_OPENRC = ("/sbin/openrc-run", "/usr/sbin/openrc-run", "/usr/bin/openrc-run")


@dataclass(frozen=True, slots=True)
class Job:
    """What runs: ``command`` as root, after the network or ``before`` units that need it done.

    Without ``before``, nothing waits for it. ``unless`` is a pattern of files: with one there, there
    is nothing to do.
    """

    name: str
    title: str
    command: str
    before: tuple[str, ...] = ()
    unless: str = ""


def run_at_start(draft: Draft, job: Job) -> bool:
    """Plan that a job runs at the next starts; False where nothing known would start it."""
    if any(draft.exists(path) for path in _SYSTEMD):
        unit = f"{job.name}.service"
        draft.write(f"{UNITS}/{unit}", _unit(job), job.title)
        draft.link(f"{UNITS}/multi-user.target.wants/{unit}", f"{UNITS}/{unit}", job.title)
        return True
    script = f"/etc/init.d/{job.name}"
    if any(draft.exists(path) for path in _OPENRC):
        draft.write(script, _openrc(job), job.title, mode=0o755)
        draft.link(f"/etc/runlevels/default/{job.name}", script, job.title)
        return True
    jobs = [_unit_name(unit) for unit in job.before if unit.endswith(".service")]
    waiting = [name for name in jobs if draft.exists(f"{_UPSTART}/{name}.conf")]
    if waiting:
        draft.write(f"{_UPSTART}/{job.name}.conf", _upstart(job, waiting), job.title)
        return True
    folders = level_folders(draft, "2345")
    for folder in folders:
        draft.write(script, _sysv(job), job.title, mode=0o755)
        number = "01" if job.before else "99"
        draft.link(f"{folder}/S{number}{job.name}", script, job.title)
    if folders:
        _startpar(draft, job)
    return bool(folders)


def _startpar(draft: Draft, job: Job) -> None:
    """List the script where insserv(8) has: startpar(8) starts what is listed, whatever links there are."""
    text = draft.text(_LISTED)
    if not text or re.search(rf"^TARGETS =.* {job.name}(?: |$)", text, re.MULTILINE):
        return
    text = re.sub(r"^TARGETS =", f"TARGETS = {job.name}", text, count=1, flags=re.MULTILINE)
    waiting = [_unit_name(unit) for unit in job.before if unit.endswith(".service")]
    for name in waiting if re.search(r"^TARGETS =", text, re.MULTILINE) else ():
        if re.search(rf"^{name}:", text, re.MULTILINE):
            text = re.sub(rf"^{name}:", f"{name}: {job.name}", text, count=1, flags=re.MULTILINE)
        elif re.search(rf"^TARGETS =.* {name}(?: |$)", text, re.MULTILINE):
            text = text.rstrip("\n") + f"\n{name}: {job.name}\n"
    draft.write(_LISTED, text, job.title)


def _unit(job: Job) -> str:
    lines = ["# kensho", "[Unit]", f"Description={job.title}"]
    if job.unless:
        lines.append(f"ConditionPathExistsGlob=!{job.unless}")
    if job.before:
        # Sockets are there before what services stand on by default: without it, that would be a circle.
        lines += ["DefaultDependencies=no", "After=local-fs.target", "Conflicts=shutdown.target"]
        lines += [f"Before={' '.join((*job.before, 'shutdown.target'))}"]
        lines += ["", "[Service]", "Type=oneshot"]
    else:
        lines += ["Wants=network-online.target", "After=network-online.target"]
        lines += ["", "[Service]", "Type=simple"]
    return "\n".join([*lines, f"ExecStart={job.command}", "", "[Install]",
                      "WantedBy=multi-user.target", ""])  # fmt: skip


def _guarded(job: Job, indent: str) -> str:
    run = job.command if job.before else f"{job.command} >/dev/null 2>&1 &"
    if not job.unless:
        return f"{indent}{run}\n"
    return f'{indent}set -- {job.unless}\n{indent}[ -e "$1" ] || {run}\n'


def _unit_name(unit: str) -> str:
    return unit.removesuffix(".service")


def _upstart(job: Job, waiting: list[str]) -> str:
    """Return a task that others' start waits for: scripts of run levels run beside them."""
    when = " or ".join(f"starting {name}" for name in waiting)
    return (
        f'# kensho\ndescription "{job.title}"\n\nstart on {when}\ntask\n\n'
        f"script\n{_guarded(job, _TAB)}end script\n"
    )


def _openrc(job: Job) -> str:
    order = "before sshd" if job.before else "after net"
    return (
        f'#!/sbin/openrc-run\n# kensho\ndescription="{job.title}"\n\n'
        f"depend() {{\n\t{order}\n}}\n\nstart() {{\n{_guarded(job, _TAB)}\treturn 0\n}}\n"
    )


def _sysv(job: Job) -> str:
    needs = "$local_fs" if job.before else "$local_fs $network"
    before = "# X-Start-Before: ssh sshd\n" if job.before else ""
    return (
        "#!/bin/sh\n# kensho\n### BEGIN INIT INFO\n"
        f"# Provides: {job.name}\n# Required-Start: {needs}\n# Required-Stop:\n{before}"
        "# Default-Start: 2 3 4 5\n# Default-Stop:\n"
        f"# Short-Description: {job.title}\n### END INIT INFO\n"
        f'[ "$1" = start ] || exit 0\n{_guarded(job, "")}exit 0\n'
    )
