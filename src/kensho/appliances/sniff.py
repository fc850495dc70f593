"""Tell by its first bytes what a file is."""

from __future__ import annotations

import codecs
import contextlib
import re

from kensho.appliances.hyperv._structs import is_storage
from kensho.appliances.proxmox.conf import looks_like_conf
from kensho.disks import detect
from kensho.model.errors import CorruptError, KenshoError
from kensho.storage import ByteSource
from kensho.storage.tar import BLOCK, checksum, iterate_members

_NOTE = re.compile(rb'\s*\{\s*"kensho_origin"\s*:')
_HEAD = 64 * 1024
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PAIR = re.compile(rb'^[ \t]*([A-Za-z.][A-Za-z0-9_.:-]*)[ \t]*=[ \t]*("?)', re.MULTILINE)
#: Any one of these makes a file of ``key = "value"`` lines a VMX.
_VMX_KEYS = frozenset(
    {b".encoding", b"config.version", b"virtualhw.version", b"displayname", b"guestos"}
)
#: These do without the quotes, too: nobody else has them.
_VMX_OWN = frozenset({b"config.version", b"virtualhw.version"})
#: Two of these, assigned, make a file a configuration of xl or xm.
_XEN_KEYS = frozenset(
    {b"memory", b"maxmem", b"disk", b"vif", b"builder", b"kernel", b"vcpus", b"type", b"bootloader"}
)
_SAVED = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"kind"\s*:\s*"local"')
_ASSIGNED = re.compile(rb"""^[ \t]*([a-z_]+)[ \t]*=[ \t]*["'\[0-9]""", re.MULTILINE)
#: A Kubernetes object of KubeVirt's, in YAML or JSON.
_KUBEVIRT = re.compile(
    rb"""^[ \t-]*(?:\{.*)?["']?apiVersion["']?[ \t]*:[ \t]*["']?kubevirt\.io/""", re.MULTILINE
)
_VIRTUAL_MACHINE = re.compile(
    rb"""^[ \t-]*(?:\{.*)?["']?kind["']?[ \t]*:[ \t]*["']?VirtualMachine""", re.MULTILINE
)
#: What an archive of images has: an OCI layout's mark, or the list of ``docker save``.
_OF_IMAGES = frozenset({"oci-layout", "manifest.json"})
_MOST_MEMBERS = 1000
_DOMAIN_ROOTS = frozenset(
    {b"domain", b"domainsnapshot", b"domaincheckpoint", b"domainbackup", b"domstatus"}
)
_BEFORE_ROOT = re.compile(rb"\s*(?:<\?.*?\?>|<!--.*?-->)", re.DOTALL)
_ROOT = re.compile(rb"\s*<(?:[\w.-]+:)?([\w.-]+)")
_FOLDERS = 8  #: before the first file of a tar archive
_VMA = b"VMA\0"
_VMDK_TEXT = b"# Disk DescriptorFile"
#: A device's settings, or what a machine is called.
_HYPERV = re.compile(
    rb"<_[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}_>|<type_id |<logical_id "
)


def refuse_empty(source: ByteSource) -> None:
    """Raise CorruptError when there is nothing in the file."""
    if source.size == 0:
        raise CorruptError(
            "the file is empty",
            path=source.name,
            hint="the download or copy failed; fetch it again",
        )


def is_tar(source: ByteSource) -> bool:
    """Tell whether the file begins with a tar header: ustar's mark, or a right checksum."""
    if source.size < BLOCK:
        return False
    header = source.read_at(0, BLOCK)
    if header[257:262] == b"ustar":
        return True
    if not header[0]:
        return False
    stored = header[148:156].strip(b" \0")
    return stored.isdigit() and stored.isascii() and _octal(stored) == checksum(header)


def is_xva(source: ByteSource) -> bool:
    """Tell whether a tar archive begins with XAPI's ``ova.xml``; folders may come before it."""
    if not is_tar(source):
        return False
    for position in range(0, min(source.size - BLOCK, _FOLDERS * BLOCK) + 1, BLOCK):
        name = source.read_at(position, 100).split(b"\0", 1)[0]
        if not name.endswith(b"/"):
            return name.removeprefix(b"./") == b"ova.xml"
    return False


def is_ova_xml(source: ByteSource) -> bool:
    """Tell whether the file is XML with the root that XAPI's metadata have, or XenServer 3's."""
    return is_xml(source) and _root_name(source) in {b"value", b"appliance"}


def is_xml(source: ByteSource) -> bool:
    """Tell whether the first character that is no blank is ``<``; a VDI begins with one too."""
    head = source.read_at(0, min(1024, source.size))
    for bom in _BOMS:
        head = head.replace(bom, b"")  # some write it twice, or behind a blank
    text = head.replace(b"\0", b"").lstrip()  # UTF-16 of ASCII has a zero in each pair
    return text.startswith(b"<") and not is_surely_disk(source)


def is_domain(source: ByteSource) -> bool:
    """Tell whether the file is XML about a libvirt domain: its definition, a snapshot, its state."""
    return is_xml(source) and _root_name(source) in _DOMAIN_ROOTS


def is_vbox(source: ByteSource) -> bool:
    """Tell whether the file is XML whose root is VirtualBox."""
    return is_xml(source) and _root_name(source) == b"VirtualBox"


def is_hyperv(source: ByteSource) -> bool:
    """Tell whether the file is Hyper-V's storage of keys, or the XML it had before."""
    if is_storage(source):
        return True
    if not is_xml(source) or _root_name(source) != b"configuration":
        return False  # .NET has files with such a root as well
    head = source.read_at(0, min(_HEAD, source.size)).replace(b"\0", b"")
    return _HYPERV.search(head) is not None


def _root_name(source: ByteSource) -> bytes:
    """Return the local name of an XML document's root, empty when it is not near the beginning."""
    head = source.read_at(0, min(_HEAD, source.size))
    for bom in _BOMS:
        head = head.replace(bom, b"")
    head = head.replace(b"\0", b"")
    place = 0
    while (skipped := _BEFORE_ROOT.match(head, place)) is not None:
        place = skipped.end()
    root = _ROOT.match(head, place)
    return b"" if root is None else root[1]


def is_vmx(source: ByteSource) -> bool:
    """Tell whether the file is a dictionary with a VMX's keys."""
    head = source.read_at(0, min(_HEAD, source.size)).rstrip(b"\0")
    if head.removeprefix(codecs.BOM_UTF8).startswith(_VMDK_TEXT) or b"\0" in head:
        return False
    found = ((match[1].lower(), match[2]) for match in _PAIR.finditer(head))
    return any(key in (_VMX_KEYS if quote else _VMX_OWN) for key, quote in found)


def is_xen(source: ByteSource) -> bool:
    """Tell whether the file assigns values to names of which several are xl's."""
    head = source.read_at(0, min(_HEAD, source.size))
    if b"\0" in head:
        return False
    return len({match[1] for match in _ASSIGNED.finditer(head)} & _XEN_KEYS) >= 2


def is_kubevirt(source: ByteSource) -> bool:
    """Tell whether the file is a manifest with a machine of KubeVirt."""
    head = source.read_at(0, min(4 * _HEAD, source.size))
    if b"\0" in head or not _VIRTUAL_MACHINE.search(head):
        return False
    return _KUBEVIRT.search(head) is not None


def is_oci(source: ByteSource) -> bool:
    """Tell whether the file is the index of an OCI layout, or an archive with one of images."""
    head = source.read_at(0, min(4096, source.size))
    if head.lstrip().startswith(b"{"):
        return b'"schemaVersion"' in head and b'"manifests"' in head
    if not is_tar(source):
        return False
    return bool(_members_of(source) & _OF_IMAGES)


def _members_of(source: ByteSource) -> set[str]:
    """Return the names of an archive's first members, fewer where it is damaged."""
    found: set[str] = set()
    with contextlib.suppress(KenshoError):
        for member in iterate_members(source, limit=_MOST_MEMBERS, skip_links=True):
            if member.name.endswith(".ovf"):  # an OVA, which may be far away
                return set()
            found.add(member.name)
    return found


def is_pve(source: ByteSource) -> bool:
    """Tell whether the file is a configuration of Proxmox VE's qemu-server."""
    head = source.read_at(0, min(_HEAD, source.size))
    whole = head if source.size <= _HEAD else head.rpartition(b"\n")[0]
    return looks_like_conf(whole)


def is_vma(source: ByteSource) -> bool:
    """Tell whether the file is a backup of Proxmox VE in its archive format."""
    return source.size >= len(_VMA) and source.read_at(0, len(_VMA)) == _VMA


def is_disk(source: ByteSource) -> bool:
    """Tell whether some disk format's mark fits, or the file is binary."""
    return bool(detect(source))


def is_surely_disk(source: ByteSource) -> bool:
    """Tell whether a disk format's own mark is there, which raw images lack."""
    try:
        return any(candidate.confidence >= 90 for candidate in detect(source))
    except KenshoError:
        return False


def _octal(digits: bytes) -> int:
    try:
        return int(digits, 8)
    except ValueError:
        return -1


def is_note(source: ByteSource) -> bool:
    """Tell whether the file is a note of kensho's on where a machine came from."""
    return _NOTE.match(source.read_at(0, min(256, source.size))) is not None


def is_saved(source: ByteSource) -> bool:
    """Tell whether the file is what ``inspect local: --json`` prints of a physical machine."""
    return _SAVED.match(source.read_at(0, min(256, source.size))) is not None
