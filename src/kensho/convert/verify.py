"""Read a result back and compare it with its source, before anybody sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kensho.appliances import Package, open_package
from kensho.appliances.package import PlacedDisk
from kensho.convert.plan import Plan
from kensho.convert.rootfs import verify_rootfs
from kensho.convert.source import check_digests, opened_image
from kensho.convert.workspace import plain_name
from kensho.disks import DiskReader, open_disk
from kensho.disks.compare import compare, content_root
from kensho.disks.content import Keep, MerkleTree
from kensho.model.errors import VerificationError
from kensho.model.progress import Meter
from kensho.platforms import Form
from kensho.platforms.oci_rootfs import FORMAT as FILES
from kensho.storage.file import FileSource

MeterFactory = Callable[[str, str], Meter]
#: What is given the leaves of an image while it is read back, by the image's id.
Keeps = Mapping[str, Keep]


def verify_folder(
    package: Package,
    plan: Plan,
    form: Form,
    folder: Path,
    disks: tuple[PlacedDisk, ...],
    meter: MeterFactory,
    keeps: Keeps,
) -> dict[str, str]:
    """Compare every disk file with the image it was made from; return images' content roots.

    Raises VerificationError.
    """
    del plan, form
    roots = {}
    for disk in disks:
        with FileSource(folder / plain_name(disk.filename)) as source:
            reader = open_disk(source, format=disk.format)
            roots[disk.image] = _compare(package, disk, reader, meter, keeps)
            reader.close()
    return roots


def verify_container(
    package: Package,
    plan: Plan,
    form: Form,
    folder: Path,
    disks: tuple[PlacedDisk, ...],
    meter: MeterFactory,
    keeps: Keeps,
) -> dict[str, str]:
    """Open the container as a source, check its manifest, compare every disk inside.

    Returns the content root of each image. Raises VerificationError, ManifestMismatchError.
    """
    path = folder / form.container_name(plan.name)
    if form.disk.format == FILES:
        verify_rootfs(
            package, path, [step.image for step in plan.disks], meter("verify", path.name)
        )
        return {}
    roots = {}
    result = open_package(path)
    try:
        check_digests(result, meter("manifest", path.name))
        for disk in disks:
            with _image_of(result, disk) as reader:
                roots[disk.image] = _compare(package, disk, reader, meter, keeps)
    finally:
        result.close()
    return roots


@contextmanager
def _image_of(package: Package, disk: PlacedDisk) -> Iterator[DiskReader]:
    """Open the disk that stands under the placed file name in a package kensho wrote."""
    for image in package.appliance.images:
        file = package.appliance.file(image.file)
        if file is not None and file.href == disk.filename:
            with opened_image(package, image.id) as reader:
                yield reader
            return
    raise VerificationError("the disk is missing in the result", path=disk.filename)


def _compare(
    package: Package, disk: PlacedDisk, reader: DiskReader, meter: MeterFactory, keeps: Keeps
) -> str:
    """Compare one disk; return its content root, hashed while its bytes were here anyway.

    What came through a pipe is gone, and what is written to meanwhile has become something else:
    its root, from when it was copied, is compared instead.
    """
    if package.arrival is not None or package.changing:
        root = content_root(reader, on_bytes=meter("verify", disk.filename))
        if root != disk.content_root:
            raise VerificationError("the result differs from its source", path=disk.filename)
        return root
    tree = MerkleTree(keeps.get(disk.image))
    with opened_image(package, disk.image) as original:
        difference = compare(original, reader, on_bytes=meter("verify", disk.filename), tree=tree)
    if difference is not None:
        raise VerificationError(
            "the result differs from its source", path=disk.filename, offset=difference
        )
    return tree.root()
