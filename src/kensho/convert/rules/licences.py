"""Licence texts and product properties."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Find EULAs and properties that the target's files cannot hold."""
    carries = journey.form.carries
    accepted = journey.settled.deployment.accept_eulas
    eulas = [*journey.before.eulas, *(e for m in journey.before.machines for e in m.eulas)]
    products = [*journey.before.products, *(p for m in journey.before.machines for p in m.products)]
    properties = [p for product in products for p in product.properties]
    if eulas and not carries.eulas:
        yield warning(
            "KF-365",
            f"{len(eulas)} licence agreement(s) have no place in the target",
            action="written beside the result as a text file"
            + ("" if accepted else "; they still have to be accepted"),
        )
    if properties and not carries.products and not journey.environments:
        keys = ", ".join(p.key for p in properties[:5]) + (" …" if len(properties) > 5 else "")
        yield warning(
            "KF-366",
            f"{len(properties)} OVF properties ({keys}) do not reach the guest",
            action="--property hands them to it, `kensho environment` writes them in other forms",
        )
    elif products and not carries.products:
        yield note("KF-367", "product information is not carried over", action="in the report")
