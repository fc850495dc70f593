"""What a run adds that a plan may not hold, and what lies beside a result whatever its form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from kensho.appliances import Package
from kensho.appliances.package import Document
from kensho.convert.deployment.attach import image_documents, with_guestinfo
from kensho.convert.deployment.eulas import (
    EulaRecord,
    demand_accepted,
    encode_record,
    eulas_of,
    record,
    record_name,
)
from kensho.convert.deployment.properties import assign, demand
from kensho.convert.deployment.settings import Given
from kensho.convert.deployment.settle import filled
from kensho.convert.nvram import nvram_documents
from kensho.convert.plan import Plan
from kensho.convert.workspace import Workspace
from kensho.platforms import find_form, find_platform
from kensho.storage.locator import shown


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside a result, whatever its form."""

    documents: tuple[Document, ...]
    eula: EulaRecord | None = None


def deployed(plan: Plan, package: Package, given: tuple[Given, ...]) -> tuple[Plan, Beside]:
    """Return the plan with the values it may not hold, for the renderers alone, and the rest."""
    platform = find_platform(plan.target)
    assigned = assign(package.appliance, given)
    demand(assigned)
    whole = assigned.appliance
    after = filled(plan.after, whole, package.appliance)
    after = with_guestinfo(after, plan.environments, whole, platform.title)
    documents = [
        *_licence_texts(plan),
        *image_documents(plan.environments, whole, platform.title, plan.timestamp),
        *nvram_documents(package, plan.before, plan.after),
    ]
    eula = None
    if plan.request.deployment.accept_eulas and _needs_acceptance(plan):
        eula = record(package, eulas_of(plan.before))
        documents.append(Document(record_name(plan.name), encode_record(eula)))
    return msgspec.structs.replace(plan, after=after), Beside(tuple(documents), eula)


def put_beside(plan: Plan, documents: Sequence[Document], space: Workspace) -> tuple[str, ...]:
    """Write the documents into the staging folder and return their names."""
    secret = {step.filename for step in plan.environments if step.secrets}
    for document in documents:
        space.put(document.name, document.data, private=document.name in secret)
    return tuple(document.name for document in documents)


def with_acceptance(plan: Plan, *, accepted: bool) -> Plan:
    """Return the plan with the licence agreements accepted, if ``accepted``."""
    if not accepted:
        return plan
    deployment = msgspec.structs.replace(plan.request.deployment, accept_eulas=True)
    request = msgspec.structs.replace(plan.request, deployment=deployment)
    return msgspec.structs.replace(plan, request=request)


def licences_settled(plan: Plan) -> bool:
    """Tell whether nothing has to be accepted any more."""
    return plan.request.deployment.accept_eulas or not _needs_acceptance(plan)


def demand_licences(plan: Plan) -> None:
    """Raise EulaNotAcceptedError when the plan deploys what nobody has accepted the licence of."""
    if _needs_acceptance(plan):
        demand_accepted(
            len(eulas_of(plan.before)),
            accepted=plan.request.deployment.accept_eulas,
            source=shown(plan.request.source),
        )


def _needs_acceptance(plan: Plan) -> bool:
    """Tell whether the plan is a deployment: a result with the texts in it leaves that to others."""
    form = find_form(find_platform(plan.target), plan.form)
    return bool(eulas_of(plan.before)) and not form.carries.eulas


def _licence_texts(plan: Plan) -> Sequence[Document]:
    """Return the licence agreements as text files where the target has no place for them."""
    before = [*plan.before.eulas, *(e for m in plan.before.machines for e in m.eulas)]
    after = [*plan.after.eulas, *(e for m in plan.after.machines for e in m.eulas)]
    lost = [e for e in before if e not in after]
    return [
        Document(f"{plan.name}.eula{'' if number == 1 else number}.txt", eula.text.encode())
        for number, eula in enumerate(lost, start=1)
    ]
