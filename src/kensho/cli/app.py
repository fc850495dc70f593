"""The table of verbs. A verb's module is imported when the verb is used."""

from __future__ import annotations

from cyclopts import App

from kensho import __version__

app = App(
    name="kensho",
    help="Package a virtual machine once, run it on any hypervisor.",
    version=__version__,
    help_epilogue="Exit codes and the meaning of findings: docs/exit-codes.md, docs/findings.md",
    suppress_keyboard_interrupt=False,
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    help_format="plaintext",
)

#: verb → where its function is, and one line for the overview. Given here so that `kensho --help`
#: imports no verb.
VERBS = {
    "inspect": ("kensho.cli.inspect_:inspect", "Show what is in an appliance or disk image."),
    "plan": ("kensho.cli.plan:plan", "Show what a conversion will do, before it does it."),
    "check": (
        "kensho.cli.check:check",
        "Tell whether a guest starts elsewhere, without a start.",
    ),
    "adapt": (
        "kensho.cli.adapt:adapt",
        "Change a guest so that it starts elsewhere, on an overlay; or take that back.",
    ),
    "drivers": (
        "kensho.cli.drivers:drivers",
        "Show what a medium with drivers for Windows has.",
    ),
    "prove": (
        "kensho.cli.prove:prove",
        "Start a machine on other hypervisors' devices, and keep what was seen.",
    ),
    "convert": ("kensho.cli.convert:convert", "Convert a machine, or run a plan."),
    "validate": ("kensho.cli.validate:validate", "Check an OVF package, and who will take it."),
    "fix": ("kensho.cli.fix:fix", "Mend an OVF package, for some targets too."),
    "pack": ("kensho.cli.pack:pack", "Make an OVF package from a YAML file or disk images."),
    "edit": ("kensho.cli.edit:edit", "Change an OVF package without converting it."),
    "diff": ("kensho.cli.diff:diff", "Show what differs between two OVF packages."),
    "split": ("kensho.cli.split:split", "Make a package of each machine in a collection."),
    "merge": ("kensho.cli.merge:merge", "Put several packages into one, as a collection."),
    "verify": (
        "kensho.cli.verify:verify",
        "Check the digests, signature and signer of a package or a proof.",
    ),
    "sign": ("kensho.cli.sign:sign", "Write a package's manifest anew and sign it."),
    "encrypt": ("kensho.cli.encrypt:encrypt", "Encrypt the files of a package."),
    "decrypt": ("kensho.cli.encrypt:decrypt", "Decrypt the files of a package."),
    "manifest": ("kensho.cli.sign:manifest", "Write a package's manifest anew, unsigned."),
    "environment": (
        "kensho.cli.environment:environment",
        "Write what a deployed machine is told: OVF environment, cloud-init, Ignition.",
    ),
    "eula": ("kensho.cli.eula:eula", "Show a package's licence agreements."),
    "platforms": ("kensho.cli.platforms:platforms", "List where a machine can go."),
    "doctor": ("kensho.cli.doctor:doctor", "Show what this computer has and lacks."),
}
for _verb, (_target, _help) in VERBS.items():
    app.command(_target, name=_verb, help=_help)
app.command(
    "kensho.cli.disk:app",
    name="disk",
    help="Look at, convert and check virtual disks of any format.",
)
app.register_install_completion_command()  # type: ignore[no-untyped-call,unused-ignore]
