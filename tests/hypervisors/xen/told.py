"""What dom0 told of each guest, judged: rows for a verdict of a real hypervisor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.model.machine import ControllerModel, NicModel
from kensho.proof.inside.read import Inside, read_report
from tests.hypervisors.verdict import Row, Step

_CONNECTED = "4"  #: XenbusStateConnected of xen/include/public/io/xenbus.h
_MODULE = re.compile(r"^(?:kensho-shell# )?/sys/module/(\w+)\s*$", re.MULTILINE)
#: What Xen calls the devices, which is what their drivers are called in /sys/bus/xen/drivers.
_FRONT_ENDS = (
    ("vbd", CONTROLLERS[ControllerModel.XEN_VBD].linux),
    ("vif", NICS[NicModel.XEN].linux),
)


def parts_of(said: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each trial with what was said of it."""
    for part in re.split(r"^dom0: trial ", said.replace("\r", ""), flags=re.MULTILINE)[1:]:
        name, _, text = part.partition("\n")
        yield name.strip(), text


def row_of(name: str, title: str, text: str, *, fails: bool = False) -> Row:
    """Judge a trial: created, up to a login, on Xen's own devices, on the network, and shut down.

    One that ``fails`` has to be created and then not find its root.
    """
    result = _said(r"^dom0: result (.*)$", text) or "dom0 did not come to an end with it"
    created = re.search(r"^dom0: run xl [^\n]*create[\s\S]*?^dom0: code (\d+)$", text, re.MULTILINE)
    inside = read_report(text)
    steps = [
        Step("xl create", created is not None and created[1] == "0", "" if created else result),
        Step("login", result.startswith("reported"), result),
    ]
    if fails:
        steps[1] = Step("does not find its root", "gave up: ALERT!" in result, result)
    elif inside is not None:
        modules = {*_MODULE.findall(text)}
        steps += [_front_end(inside, device, linux, modules) for device, linux in _FRONT_ENDS]
        steps += [_back_end(device, text) for device, _ in _FRONT_ENDS]
        network = _said(r"^dom0: network (.*)$", text)
        steps.append(Step("answers dom0", network.startswith("answers"), network))
        ended = _said(r"^dom0: shutdown (.*)$", text)
        steps.append(Step("xl shutdown", ended == "clean", ended))
        steps.append(Step("units", not inside.failed, ", ".join(inside.failed)))
    seconds = re.search(r" after (\d+) s$", result)
    milestones = {"report": float(seconds[1])} if seconds else {}
    if (login := _said(r"dom0: milestone login after (\d+)", text)) and inside:
        milestones["login"] = float(login)
    return Row(name=name, title=title, steps=tuple(steps), milestones=milestones, inside=inside)


def _front_end(inside: Inside, device: str, linux: tuple[str, ...], modules: set[str]) -> Step:
    """Tell whether root or adapter is driven by Xen's driver: the device's, and the module behind it."""
    seen = inside.drivers if device == "vbd" else [n for nic in inside.nics for n in nic.drivers]
    driven = device in seen and bool({*linux} & modules)
    return Step(f"{device} driven by {linux[0]}", driven, ", ".join(seen))


def _back_end(device: str, text: str) -> Step:
    state = _said(rf"^dom0: \| /\S*/backend/{device}/\d+/\d+/state = \"(\d+)\"", text)
    return Step(f"back end of {device}", state == _CONNECTED, f"state {state or 'not there'}")


def _said(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else ""
