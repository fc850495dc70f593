"""Names tied to addresses by ``.link`` files (systemd.link(5)), in the root and where names come first.

The initramfs names the adapters it has drivers for, and who is named once is not named again: so the
files go there, too, and the makers of the next one are told to take them. That of initramfs-tools does
so by itself, dracut wants ``install_items`` (dracut.conf(5)), mkinitcpio ``FILES`` (mkinitcpio.conf(5)).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kensho.guest.edit.draft import Draft

FOLDER = "/etc/systemd/network"
_OWN = re.compile(r"(?:10|97)-kensho-.+[.]link")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ less its end
RULE_FOLDERS = ("/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_LIBRARY = re.compile(r"libsystemd-shared-(\d+)")
_LIBRARIES = ("/usr/lib/systemd", "/lib/systemd")
_MULTIARCH = re.compile(r"[a-z0-9_]+-linux-gnu\w*")  # where Debian has them, by architecture
#: Before, `Type=ether` was compared with what real adapters do not have; other names came then, too.
_NEWER = 243


def uses_links(draft: Draft) -> bool:
    """Tell whether the guest's udev reads ``.link`` files."""
    return any(draft.exists(f"{folder}/80-net-setup-link.rules") for folder in RULE_FOLDERS)


def tie_names(draft: Draft, names: Mapping[str, str], alone: str = "") -> tuple[str, ...]:
    """Write a ``.link`` for each adapter; return the paths of all there are of ours.

    ``names`` maps addresses to names. ``alone`` is the name of the only adapter: the first one that the
    kernel finds has it, whatever its address. Files sort before systemd's own 99-default.link.
    """
    newer = _version(draft) >= _NEWER
    # VLANs and bridges have the address of an adapter; newer versions would name them alike.
    only = "Type=ether\n" if newer else ""
    more = "AlternativeNamesPolicy=database onboard slot path\n" if newer else ""
    wanted = {f"10-kensho-{n}.link": (n, f"MACAddress={mac}") for mac, n in sorted(names.items())}
    if alone:
        # The other name is the one it has already when the root is there.
        wanted[f"97-kensho-{alone}.link"] = (alone, f"OriginalName=eth0 {alone}")
    written = []
    for file, (name, match) in wanted.items():
        if not _NAME.fullmatch(name):
            continue  # not a name that the kernel can have
        text = (
            "# kensho: the adapter keeps its name on whatever platform\n"
            f"[Match]\n{match}\n{only}\n[Link]\nName={name}\n{more}"
        )
        written.append(f"{FOLDER}/{file}")
        if not _tied_by_others(draft, match, name):
            draft.write(f"{FOLDER}/{file}", text, f"{name} stays the name of its adapter")
    for name in draft.names(FOLDER):
        if _OWN.fullmatch(name) and f"{FOLDER}/{name}" not in written:
            draft.delete(f"{FOLDER}/{name}", "the adapter it was for is no more")
    return tuple(path for path in written if draft.exists(path))


def others(draft: Draft) -> tuple[str, ...]:
    """Return the guest's own ``.link`` files, of which none is applied beside one of ours."""
    found = (name for name in draft.names(FOLDER) if name.endswith(".link"))
    return tuple(name for name in found if "-kensho-" not in name)


def name_by_address(draft: Draft) -> tuple[str, ...]:
    """Have adapters without a slot named by their address (enx…); return the file's path.

    The policy is systemd's own with one more way at its end, so that other names stay.
    """
    newer = _version(draft) >= _NEWER
    match, keep = ("Type=ether", "keep ") if newer else ("Path=*", "")
    text = (
        "# kensho: adapters that are in no slot, as on Hyper-V and Xen, are named by their address\n"
        f"[Match]\n{match}\n\n[Link]\nNamePolicy={keep}kernel database onboard slot path mac\n"
        "MACAddressPolicy=persistent\n"
    )
    if newer:
        text += "AlternativeNamesPolicy=database onboard slot path mac\n"
    path = f"{FOLDER}/98-kensho-names.link"
    draft.write(path, text, "adapters in no slot get a name that the network is set up for")
    return (path,)


def keep_early(draft: Draft, paths: tuple[str, ...]) -> None:
    """Have the files in every initramfs, and in those that the guest will make."""
    for path in paths:
        draft.early[path[1:]] = draft.read(path)
    if not paths:
        return
    listed, why = " ".join(paths), "names of adapters listed for the next initramfs"
    if any(draft.exists(f"{top}/dracut") for top in ("/usr/lib", "/usr/share")):
        # The blanks at both ends belong there: dracut joins the values of all its drop-ins.
        draft.write(
            "/etc/dracut.conf.d/91-kensho-names.conf", f'install_items+=" {listed} "\n', why
        )
    if draft.exists("/etc/mkinitcpio.conf"):
        draft.write("/etc/mkinitcpio.conf.d/kensho-names.conf", f"FILES+=({listed})\n", why)


def _version(draft: Draft) -> int:
    """Return systemd's version, by the library that has it in its name; 0 when there is none."""
    places = (n for n in draft.names("/usr/lib") if _MULTIARCH.fullmatch(n))
    folders = (*_LIBRARIES, *(f"/usr/lib/{place}/systemd" for place in places))
    names = (name for folder in folders for name in draft.names(folder))
    return max((int(m[1]) for name in names if (m := _LIBRARY.match(name))), default=0)


def _tied_by_others(draft: Draft, match: str, name: str) -> bool:
    address = re.search(r"MACAddress=(\S+)", match)
    for other in draft.names(FOLDER):
        if other.endswith(".link") and not _OWN.fullmatch(other) and address:
            text = draft.text(f"{FOLDER}/{other}")
            named = re.search(rf"^[ \t]*Name={re.escape(name)}[ \t]*$", text, re.MULTILINE)
            if named and address[1] in text.lower():
                return True
    return False
