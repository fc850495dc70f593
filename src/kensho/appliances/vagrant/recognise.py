"""Tell a Vagrant box from the other archives that machines come in."""

from __future__ import annotations

from kensho.appliances.sniff import is_tar
from kensho.appliances.vagrant.metadata import NAME
from kensho.model.errors import KenshoError, TruncatedError
from kensho.storage import ByteSource
from kensho.storage.tar import iterate_members

_MOST_LOOKED_AT = 200
_HEAD = 64 * 1024
#: Names that Vagrant itself gives, and nobody else.
_OWN = frozenset({"Vagrantfile", "box.img", "box_0.img"})
VIRTUALBOX_OVF = "box.ovf"


def is_box(source: ByteSource) -> bool:
    """Tell whether an archive is a box: by metadata.json with a provider, or by Vagrant's names.

    Of a packed one there are only the first bytes to look at.
    """
    if not is_tar(source):
        return False
    found = ""
    try:
        for member in iterate_members(source, limit=_MOST_LOOKED_AT, sparse=True):
            if member.name == NAME:
                head = source.read_at(member.offset, min(_HEAD, member.size))
                return b'"provider"' in head
            if member.name in _OWN:
                return True
            found = found or member.name
            if found != VIRTUALBOX_OVF and found.endswith((".ovf", ".xml")):
                return False  # an OVA or XVA, whose descriptor comes first
    except TruncatedError:
        return found == VIRTUALBOX_OVF  # the rest of it is packed
    except KenshoError:
        return False
    return False
