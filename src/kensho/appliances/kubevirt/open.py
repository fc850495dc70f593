"""Open the machines of KubeVirt manifests: YAML, or JSON as kubectl gives it, several in one file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kensho.appliances.assemble import assemble
from kensho.appliances.kubevirt.read import Found, as_virtual_machine, read_machine
from kensho.appliances.kubevirt.values import mapping, objects, text
from kensho.appliances.kubevirt.volumes import claims_of
from kensho.appliances.kubevirt.write import FILE_NOTE
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store, read_text_file
from kensho.model.appliance import Appliance, Network
from kensho.model.errors import PackageError
from kensho.model.finding import Finding
from kensho.model.selection import Selection
from kensho.model.yamlsafe import MAX_DOCUMENT, load_all

_MACHINES = frozenset({"VirtualMachine", "VirtualMachineInstance"})
_VOLUMES = frozenset({"DataVolume", "PersistentVolumeClaim"})


def open_manifest(origin: Origin, _selection: Selection) -> Package:
    """Open all machines in the file; files of their volumes are looked for beside it.

    PackageError when no machine is in it, LimitError and CorruptError when it is no YAML.
    """
    store = origin.beside()
    try:
        data = read_text_file(store, origin.name, MAX_DOCUMENT)
        documents = load_all(data, origin.path)
        appliance, findings = open_documents(documents, store, origin.path, origin.stem)
        return assemble("kubevirt", origin.path, appliance, store, findings, own=(origin.name,))
    except BaseException:
        store.close()
        raise


def open_documents(
    loaded: list[object], store: Store, path: str, stem: str
) -> tuple[Appliance, list[Finding]]:
    """Return the machines in documents, their files looked for in a store, and what was noticed."""
    documents = _flat(loaded)
    machines = _machines(documents, path)
    volumes = [d for d in documents if text(d.get("kind")) in _VOLUMES]
    volumes += [t for m in machines for t in objects(mapping(m, "spec").get("dataVolumeTemplates"))]
    claims = claims_of(volumes, FILE_NOTE)
    found = Found()
    read = tuple(
        read_machine(document, number, claims, store, found)
        for number, document in enumerate(machines, 1)
    )
    networks = dict.fromkeys(n.network for m in read for n in m.nics if n.network)
    appliance = Appliance(
        name=read[0].name if len(read) == 1 else stem,
        machines=read,
        images=tuple(found.images.values()),
        files=tuple(found.files.values()),
        networks=tuple(map(Network, networks)),
    )
    return appliance, found.findings


def _flat(documents: list[object]) -> list[dict[str, Any]]:
    """Return the documents, lists of Kubernetes opened."""
    found = []
    for document in documents:
        value = mapping(document)
        items = objects(value.get("items")) if text(value.get("kind")).endswith("List") else []
        found += items or [value]
    return found


def _machines(documents: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    machines = [as_virtual_machine(d) for d in documents if _is_machine(d)]
    if not machines:
        raise PackageError(
            "no VirtualMachine of KubeVirt is in this file",
            path=path,
            hint="kubectl get vm NAME -o yaml gives one",
        )
    return machines


def _is_machine(document: Mapping[str, Any]) -> bool:
    api = text(document.get("apiVersion"))
    return api.startswith("kubevirt.io/") and text(document.get("kind")) in _MACHINES
