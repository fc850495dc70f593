"""What has to come of the demo's guest on each profile, told from how it was made and not by kensho."""

from __future__ import annotations

from appliance import DRIVERS_AS_MADE, SWITCHED_OFF
from kensho.guest.devices import CONTROLLERS, NICS
from kensho.proof.profiles import DISTINCT
from kensho.proof.profiles.base import Profile

STARTED = tuple(profile for profile in DISTINCT if not profile.static)
PASS, NO_DISK, NO_ADAPTER = "pass", "KF-960", "KF-973"


def expected(profile: Profile) -> str:
    """Return what the guest as it was made has to come to: a pass, or the code of the cause."""
    if DRIVERS_AS_MADE.isdisjoint(CONTROLLERS[profile.controller].linux):
        return NO_DISK
    return NO_ADAPTER if SWITCHED_OFF.issuperset(NICS[profile.adapter].linux) else PASS


def objections(before: dict[str, dict], after: dict[str, dict]) -> list[str]:
    """Return what is not as it has to be; the trials are those of two statements, by profile."""
    said = []
    for profile in (profile for profile in STARTED if profile.name in after):
        wanted, code = expected(profile), _code(before[profile.name])
        if code != wanted:
            said.append(f"{profile.name}, as made: {wanted} was to be expected, not {code}")
        said += _not_up(profile, after[profile.name])
    return said


def _code(trial: dict) -> str:
    if trial["outcome"] == PASS:
        return PASS
    return trial.get("cause", {}).get("code", "no cause")


def _not_up(profile: Profile, trial: dict) -> list[str]:
    """Return what is missing of an adapted guest: it is up, by the profile's drivers, with an address."""
    if trial["outcome"] != PASS:
        return [f"{profile.name}, adapted: {_code(trial)}: {trial['reason']}"]
    inside = trial.get("inside")
    if inside is None:
        return [f"{profile.name}, adapted: it did not report"]
    said = []
    if _drivers(inside["drivers"]).isdisjoint(CONTROLLERS[profile.controller].linux):
        said.append(f"{profile.name}, adapted: its root is on {', '.join(inside['drivers'])}")
    nics = inside.get("nics", ())
    found = _drivers(name for nic in nics for name in nic["drivers"])
    if found.isdisjoint(NICS[profile.adapter].linux):
        said.append(f"{profile.name}, adapted: its adapter's drivers are {', '.join(found)}")
    if not any(nic.get("address") for nic in nics):
        said.append(f"{profile.name}, adapted: it has no address")
    return said


def _drivers(names: object) -> set[str]:
    return {str(name).replace("-", "_") for name in names}  # type: ignore[attr-defined]
