"""Hyper-V, which imports no OVF since SCVMM's and MVMC's import are gone.

Source. [I] microsoft/Windows-Admin-Center-Ideas-and-Feedback#368, wazuh/wazuh-packages#1977.
"""

from kensho.packages.validate.profile import Effect, Profile

PROFILES = (
    Profile(
        name="hyper-v",
        title="Microsoft Hyper-V",
        basis="issue threads",
        versions=dict.fromkeys(("0.9", "1", "2"), Effect.REFUSE),
        hint="kensho convert PACKAGE --to hyperv writes VHDX disks and a script",
    ),
)
