"""cloud-init at a target that is another cloud, or none.

Where the source of its data is not pinned, it finds none and stays out of the way (ds-identify's policy
``notfound=disabled``), and what it has set up stays. Pinned to a cloud that is not there, it waits for
it and then sets up the network anew, without what it knew. It is told; and where that is asked for, it
gets data that need no cloud (cloud-init's documentation, "NoCloud", "Base configuration").
"""

from __future__ import annotations

import re

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity
from kensho.model.yamlsafe import load_all

_FOLDER = "/etc/cloud/cloud.cfg.d"
_IDENTIFY = "/etc/cloud/ds-identify.cfg"
_OURS = "99_kensho.cfg"
_SEED = "/var/lib/cloud/seed/nocloud"
_MOST = 1 << 20
_PINNED = re.compile(r"^[ \t]*datasource:[ \t]*([A-Za-z0-9]+)", re.MULTILINE)
#: Where cloud-init finds each; what can come with any machine (ConfigDrive, NoCloud, OVF) is not here.
_PLATFORMS = {
    "Ec2": {"aws"},
    "Azure": {"azure"},
    "GCE": {"gcp"},
    "OpenStack": {"openstack"},
    "VMware": {"vmware"},
}
#: Of clouds that are no target of ours.
_OTHERS = frozenset(
    {"Oracle", "AliYun", "DigitalOcean", "Hetzner", "Vultr", "IBMCloud", "Exoscale", "Scaleway",
     "UpCloud", "CloudStack", "SmartOS", "MAAS", "Akamai"}
)  # fmt: skip


def plan_cloud_init(guest: LinuxGuest) -> None:
    """Say where cloud-init waits for a cloud that no target is (KF-881), or give it data."""
    draft = guest.draft
    if not draft.exists("/etc/cloud/cloud.cfg") or draft.exists("/etc/cloud/cloud-init.disabled"):
        return
    sources = _sources(draft)
    pinned = tuple(name for name in sources if name != "None")
    targets = {platform.name for platform in guest.aims.platforms}
    there = {
        p.name for p in guest.aims.platforms for n in pinned if p.name in _PLATFORMS.get(n, ())
    }
    elsewhere = sorted(targets - there)
    if not pinned or not elsewhere or not _OTHERS | _PLATFORMS.keys() >= set(pinned):
        return
    if guest.aims.seed and not there:
        _seed(draft)
        return
    draft.note(
        "KF-881", Severity.WARNING,
        f"cloud-init waits for {', '.join(pinned)}, which {', '.join(elsewhere)} has not: the start "
        "takes minutes longer, and the network is set up anew by DHCP",
        "adapt with --seed, or switch it off by /etc/cloud/cloud-init.disabled",
    )  # fmt: skip


def _sources(draft: Draft) -> tuple[str, ...]:
    """Return the sources of data that cloud-init is told to use; none where all are tried."""
    match = _PINNED.search(draft.text(_IDENTIFY))
    if match:
        return (match[1],)
    found: tuple[str, ...] = ()
    names = (f"{_FOLDER}/{n}" for n in draft.names(_FOLDER) if n.endswith(".cfg") and n != _OURS)
    for path in ("/etc/cloud/cloud.cfg", *names):
        try:
            documents = load_all(draft.read(path, _MOST), path)
        except KenshoError:
            continue
        for document in documents:
            told = document.get("datasource_list") if isinstance(document, dict) else None
            if isinstance(told, list):
                found = tuple(str(name) for name in told)
    return found


def _seed(draft: Draft) -> None:
    """Give cloud-init an instance that it knows already, so that nothing is done a second time."""
    why = "cloud-init gets data that need no cloud"
    known = draft.text("/var/lib/cloud/data/instance-id").strip()
    known = known if re.fullmatch(r"[\w.:-]{1,200}", known) else "iid-kensho"
    draft.write(f"{_SEED}/meta-data", f"instance-id: {known}\n", why)
    draft.write(f"{_SEED}/user-data", "#cloud-config\n{}\n", why)
    draft.write(
        f"{_FOLDER}/{_OURS}",
        "# kensho: no cloud is asked for anything, and the network stays as it is\n"
        "datasource_list: [ NoCloud, None ]\nnetwork: {config: disabled}\n",
        why,
    )
    text = draft.text(_IDENTIFY)
    match = _PINNED.search(text)
    if match:
        draft.write(_IDENTIFY, f"{text[: match.start(1)]}NoCloud{text[match.end(1) :]}", why)
