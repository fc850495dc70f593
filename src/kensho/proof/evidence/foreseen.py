"""What `kensho plan` finds on the way to each platform that is tried: what a conversion would say of it."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.convert.deployment.settle import Deployment
from kensho.convert.plan import Request, make_plan
from kensho.guest.volumes.luks.device import Key
from kensho.model.errors import KenshoError
from kensho.platforms import Platform
from kensho.proof.evidence.portability import Foreseen
from kensho.proof.private import folders_here, redacted, without_folders


def foreseen(
    locators: Sequence[str], machine: str | None, platforms: Sequence[Platform], *,
    adapts: bool, accepts: bool, keys: Sequence[Key] = (),
) -> tuple[Foreseen, ...]:  # fmt: skip
    """Return a plan's findings for each platform; of several images there is no plan.

    Where the guest ``adapts`` its drivers are not looked at: what is changed of it is stated anyway.
    ``accepts`` tells that licences were accepted. Nothing is written.
    """
    if len(locators) != 1:
        return ()
    folders = folders_here(locators)
    return tuple(
        _of(
            Request(
                locators[0], platform.name, machine=machine, look=not adapts,
                deployment=Deployment(accept_eulas=accepts),
            ),
            keys, folders,
        )
        for platform in platforms
    )  # fmt: skip


def _of(request: Request, keys: Sequence[Key], folders: Sequence[str]) -> Foreseen:
    try:
        plan = make_plan(request, keys=keys)
    except KenshoError as error:
        return Foreseen(request.target, problem=without_folders(error.message))
    return Foreseen(
        plan.target,
        plan.form,
        tuple(redacted(found, folders) for found in plan.findings),
    )
