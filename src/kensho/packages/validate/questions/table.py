"""What a package can have that importers treat differently: how it is found, how it is mended.

A profile names these by their keys and says what happens. Mends of files, manifest and version say
only that they are done; ``fix.py`` does them where the package is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from kensho.packages.validate.questions import devices, lost, package
from kensho.packages.validate.rule import Fault, Mend, OnWriting
from kensho.packages.validate.rules import content, disk_images, disks, items, places
from kensho.packages.validate.rules.networks import list_network, unlisted
from kensho.packages.validate.rules.references import set_size
from kensho.packages.validate.subject import Subject

_STRUCTURE, _DEVICES, _LOST = "KF-698", "KF-697", "KF-699"


@dataclass(frozen=True, slots=True)
class Question:
    """A feature: its code, where it is, and how to be rid of it (None: not here)."""

    code: str
    find: Callable[[Subject], Iterator[Fault]]
    mend: Mend | None = None


QUESTIONS: Mapping[str, Question] = {
    "collection": Question(_STRUCTURE, package.collections),
    "several-machines": Question(_STRUCTURE, package.several_machines),
    "several-hardware": Question(_STRUCTURE, package.several_hardware),
    "options": Question(_STRUCTURE, package.options),
    "ranges": Question(_STRUCTURE, package.ranges),
    "doubled": Question(_DEVICES, devices.doubled),
    "gzip": Question(_STRUCTURE, package.gzip, package.unpack),
    "chunks": Question(_STRUCTURE, package.chunks, package.join),
    "urls": Question(_STRUCTURE, package.urls),
    "parents": Question(_STRUCTURE, package.parents),
    "empty-disks": Question(_STRUCTURE, package.empty_disks),
    "no-capacity": Question(_STRUCTURE, package.no_capacity, package.capacity_from_image),
    "capacity-units": Question(_STRUCTURE, package.units_of_capacity, disks.in_bytes),
    "variable-capacity": Question(_STRUCTURE, package.variable_capacity),
    "file-names": Question(_STRUCTURE, package.file_names),
    "disk-ids": Question(_STRUCTURE, package.disk_ids),
    "no-sizes": Question(_STRUCTURE, package.no_sizes, set_size),
    "encoding": Question(_STRUCTURE, package.encodings, OnWriting("written as UTF-8")),
    "no-disks": Question(_STRUCTURE, package.no_disks),
    "no-system": Question(_STRUCTURE, package.no_system),
    "no-name": Question(_STRUCTURE, package.no_name, package.name_it),
    "no-guest": Question(_STRUCTURE, package.no_guest),
    "disk-parents": Question(_DEVICES, devices.disk_parents),
    "drive-parents": Question(_DEVICES, devices.drive_parents),
    "addresses": Question(_DEVICES, devices.addresses),
    "host-spelling": Question(_DEVICES, devices.host_spelling, places.respell),
    "memory-not-mib": Question(_DEVICES, devices.memory_not_mib, devices.into_mib),
    "xo-units": Question(_DEVICES, devices.xo_units, devices.into_mib),
    "nics-unallocated": Question(_DEVICES, devices.unallocated_nics, devices.allocate),
    "ids-no-numbers": Question(_DEVICES, devices.whole_ids, devices.number_ids),
    "networks-unlisted": Question(_DEVICES, unlisted, list_network),
    "hidden-disks": Question(_DEVICES, devices.hidden_disks),
    "disk-suffixes": Question(_STRUCTURE, package.disk_suffixes),
    "properties": Question(_LOST, lost.properties),
    "licences": Question(_LOST, lost.licences),
    "start-order": Question(_LOST, lost.start_order),
    "uefi": Question(_LOST, lost.uefi),
    "vbox-machine": Question(_LOST, lost.vendor_machine),
    "vmw-required": Question(_STRUCTURE, package.foreign("vmw", "vcloud"), content.may_be_skipped),
    "others-required": Question(
        _STRUCTURE, package.foreign("vbox", "xenovf", "xenclient", "ibmpvc"), content.may_be_skipped
    ),
    "extra-config": Question(_STRUCTURE, package.extra_config, content.may_be_skipped),
    "unordered": Question(_DEVICES, items.order, items.sort),
    "prefixed": Question(
        _STRUCTURE, package.prefixed, OnWriting("OVF's elements lost their prefix")
    ),
    "manifest-spelling": Question(
        _STRUCTURE, package.plain_manifest, OnWriting("the manifest is written new")
    ),
    "old-vmdk": Question(_STRUCTURE, disk_images.old_vmdk),
}
