"""What hypervisors' and clouds' tools start in a guest, by the platform they are for.

Sources: the packages themselves: VMware Tools' installer (before open-vm-tools), VirtualBox' Guest
Additions (vboxadd*), XenServer's xe-guest-utilities, Parallels Tools, WALinuxAgent, Google's
guest-agent and the older compute-image-packages, Amazon's SSM agent.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """Tools that are of use on ``platforms`` alone.

    ``units`` of systemd, ``scripts`` of /etc/init.d, ``autostart`` files of desktops. ``kept_by`` is a
    file that shows that they are used elsewhere, too.
    """

    name: str
    platforms: frozenset[str]
    units: tuple[str, ...]
    scripts: tuple[str, ...] = ()
    autostart: tuple[str, ...] = ()
    kept_by: str = ""


_AUTOSTART = "/etc/xdg/autostart"
TOOLS = (
    Tool(
        "VMware Tools",
        frozenset({"vmware"}),
        ("vmware-tools.service", "vmware-tools-thinprint.service"),
        ("vmware-tools", "vmware-tools-thinprint"),
        (f"{_AUTOSTART}/vmware-user.desktop",),
    ),
    Tool(
        "VirtualBox Guest Additions",
        frozenset({"virtualbox"}),
        ("vboxadd.service", "vboxadd-service.service", "vboxadd-x11.service",
         "virtualbox-guest-utils.service", "vboxservice.service"),
        ("vboxadd", "vboxadd-service", "vboxadd-x11", "virtualbox-guest-utils",
         "virtualbox-guest-x11", "vboxservice", "virtualbox-guest-additions"),
        (f"{_AUTOSTART}/vboxclient.desktop",),
    ),
    Tool(
        "XenServer's guest utilities",
        frozenset({"xenserver", "xen"}),
        ("xe-linux-distribution.service", "xe-daemon.service", "xe-guest-utilities.service"),
        ("xe-linux-distribution", "xe-daemon", "xe-guest-utilities"),
    ),
    Tool(
        "Parallels Tools",
        frozenset(),
        ("prltoolsd.service", "prl-x11.service", "prltools_updater.service"),
        ("prltoolsd", "prl-x11", "prltools_updater"),
        (f"{_AUTOSTART}/prlcc.desktop",),
    ),
    Tool(
        "the Azure agent",
        frozenset({"azure"}),
        ("walinuxagent.service", "waagent.service", "walinuxagent-network-setup.service"),
        ("walinuxagent", "waagent"),
    ),
    Tool(
        "Google's guest agents",
        frozenset({"gcp"}),
        tuple(f"google-{name}" for name in (
            "guest-agent.service", "guest-agent-manager.service", "startup-scripts.service",
            "shutdown-scripts.service", "osconfig-agent.service", "oslogin-cache.timer",
            "accounts-daemon.service", "clock-skew-daemon.service", "network-daemon.service",
            "ip-forwarding-daemon.service", "instance-setup.service",
        )),
        ("google-accounts-daemon", "google-clock-skew-daemon", "google-network-daemon",
         "google-startup-scripts"),
    ),
    Tool(
        "Amazon's agents",
        frozenset({"aws"}),
        ("amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service",
         "hibinit-agent.service", "ec2-hibinit-agent.service"),
        ("amazon-ssm-agent", "hibinit-agent"),
        kept_by="/var/lib/amazon/ssm/registration",  # a machine of one's own that Amazon manages
    ),
)  # fmt: skip

#: Tools that tell by themselves that they are elsewhere, and the unit by which that is seen.
SELF_AWARE = (
    ("open-vm-tools", ("open-vm-tools.service", "vmtoolsd.service")),
    ("qemu-guest-agent", ("qemu-guest-agent.service", "qemu-ga.service")),
    ("hyperv-daemons", ("hypervkvpd.service", "hyperv-daemons.hv-kvp-daemon.service",
                        "hv-kvp-daemon.service", "hv_kvp_daemon.service")),
    ("spice-vdagent", ("spice-vdagentd.service", "spice-vdagent.service")),
)  # fmt: skip
