"""What an image says of itself beside its files: OCI image-spec, config.md."""

from __future__ import annotations

from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.software import architecture
from kensho.model.errors import KenshoError

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Go's names of processors, which images use.
_PROCESSORS = {
    "x86_64": "amd64", "i386": "386", "aarch64": "arm64", "ppc64": "ppc64le", "riscv64": "riscv64",
    "arm": "arm", "s390x": "s390x",
}  # fmt: skip
_INITS = ("/sbin/init", "/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/bin/init", "/init")
_MAX_RELEASE = 1 << 16


def processor(files: GuestFiles) -> str:
    """Return the processor the guest's programs are for, in Go's words; ``amd64`` if not found."""
    return _PROCESSORS.get(architecture(files), "amd64")


def settings(files: GuestFiles) -> dict[str, object]:
    """Return the image's ``config``: what is started, and where it came from.

    The guest's own first program is the command: it starts the services. A container tool may have
    to be told so (``podman run --systemd=always``).
    """
    init = next((path for path in _INITS if files.exists(path)), "/bin/sh")
    found: dict[str, object] = {"Env": [_PATH], "Cmd": [init], "WorkingDir": "/"}
    if "systemd" in init or "systemd" in _real(files, init):
        found["StopSignal"] = "SIGRTMIN+3"  # systemd(1): halt; SIGTERM makes it start anew
    labels = {f"kensho.os.{key.lower()}": value for key, value in _release(files).items()}
    if labels:
        found["Labels"] = labels
    return found


def _real(files: GuestFiles, path: str) -> str:
    try:
        return files.real(path)
    except KenshoError:
        return ""


def _release(files: GuestFiles) -> dict[str, str]:
    """Return ID, VERSION_ID and PRETTY_NAME of os-release(5)."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            text = files.read(path, _MAX_RELEASE).decode(errors="replace")
        except KenshoError:
            continue
        pairs = (line.partition("=") for line in text.splitlines())
        return {
            key: value.strip().strip("\"'")
            for key, _, value in pairs
            if key in {"ID", "VERSION_ID", "PRETTY_NAME"}
        }
    return {}
