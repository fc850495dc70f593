"""What is encrypted in a VMX, and what to do about it.

Source: VMware's documentation of VM encryption (Workstation and Fusion: access control; vSphere:
VM Encryption) and the key ring notation ``vmware:key/list/(pair/(phrase/…))`` in
``encryption.keySafe``. Nothing is decrypted here.
"""

from __future__ import annotations

from kensho.appliances.vmx.parse import Dictionary
from kensho.model.errors import UnsupportedError

_WORKSTATION = (
    "in Workstation or Fusion: settings of the machine, Options, Encryption (Access Control),"
    " Remove Encryption; then try again"
)
_VSPHERE = (
    "in vCenter: VM Policies, Edit VM Storage Policies, Datastore Default decrypts the machine"
    " and its disks; then copy it again"
)


def refuse_encrypted(values: Dictionary, path: str) -> None:
    """Raise UnsupportedError when the settings are encrypted, naming with what.

    Since Workstation 17 a machine may be encrypted in part: its settings stay readable, only
    what supports the virtual TPM is encrypted. See `is_partly_encrypted`.
    """
    if not _is_encrypted(values) or is_partly_encrypted(values):
        return
    ring = values.get("encryption.keysafe") + values.get("encryption.bundle")
    by_server = "/fqid/" in ring or "(fqid/" in ring
    raise UnsupportedError(
        f"the configuration is encrypted {_with(ring, by_server=by_server)}",
        path=path,
        field="encryption.keySafe",
        hint=_VSPHERE if by_server else _WORKSTATION,
    )


def is_partly_encrypted(values: Dictionary) -> bool:
    """Tell whether there are keys of an encryption beside settings that can be read."""
    return _is_encrypted(values) and bool(values.get("memsize"))


def _is_encrypted(values: Dictionary) -> bool:
    keys = ("keysafe", "data", "bundle", "encryptedkey")
    return any(values.get(f"encryption.{key}") for key in keys)


def _with(ring: str, *, by_server: bool) -> str:
    if by_server:
        return "with a key of vSphere's key provider"
    if "phrase/" in ring:
        return "with a passphrase"
    return "by VMware"
