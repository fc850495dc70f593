#!/usr/bin/python3
"""In dom0, at its start: every guest of /srv/trials is created by xl, logged into, and shut down.

All of it goes to the second serial port as it happens. Lines of this program begin with ``dom0:``, what a
guest wrote on its console is between ``dom0: console`` and ``dom0: console-end``. A trial is a folder with
``trial.json`` (config: file of xl; with: settings in front of which it comes; seconds: how long it may
take) and the disks, which appear in /var/lib/xen/images as the configuration says.
"""

import json
import os
import pathlib
import pty
import re
import select
import socket
import subprocess
import time

TRIALS, IMAGES = pathlib.Path("/srv/trials"), pathlib.Path("/var/lib/xen/images")
REPORT = TRIALS / "report.sh"
PROMPT = rb"kensho-shell# $"
ASKS = re.compile(rb"(?:^|[\r\n])(?:[\w.-]+ )?login: ?$")
GIVEN_UP = re.compile(
    rb"Kernel panic - not syncing|\(initramfs\) ?$|grub(?: rescue)?> ?$|ALERT! .*exist"
)

port = pathlib.Path("/dev/ttyS1").open("wb", buffering=0)  # noqa: SIM115


def tell(text):
    port.write(f"dom0: {text}\n".encode())


def run(*argv, seconds=300):
    """Run a program; what it says is told line by line, and returned with its code."""
    tell(f"run {' '.join(argv)}")
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=seconds, check=False,
        )  # fmt: skip
        code, said = done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as error:
        code, said = 124, (error.stdout or b"").decode("utf-8", "replace")
    for line in said.splitlines():
        tell(f"| {line}")
    tell(f"code {code}")
    return code, said


class Console:
    """A guest's console of Xen (hvc0), through ``xl console``; all that comes is told."""

    def __init__(self, name):
        self.child, self.tty = pty.fork()
        if not self.child:
            os.execvp("xl", ["xl", "console", "-t", "pv", name])
        self.said = b""
        self.address = ""  #: what the guest said is its own

    def wait(self, pattern, until):
        """Return the match of a pattern in what is said from now on; None when it is not said in time."""
        self.said = b""
        while time.monotonic() < until:
            ready, _, _ = select.select([self.tty], [], [], 1)
            if ready:
                try:
                    data = os.read(self.tty, 65536)
                except OSError:
                    data = b""
                if not data:
                    return None
                port.write(data)
                self.said = (self.said + data)[-65536:]
            if match := re.search(pattern, self.said):
                return match
        return None

    def send(self, text):
        for at in range(0, len(text), 32):  # a console of Xen takes little at once
            os.write(self.tty, text[at : at + 32].encode())
            time.sleep(0.02)

    def close(self):
        os.close(self.tty)
        os.kill(self.child, 9)
        os.waitpid(self.child, 0)


def look_inside(console, began, until):
    """Log in and have the guest say what it started from; return how far it came."""
    match = console.wait(re.compile(ASKS.pattern + rb"|" + GIVEN_UP.pattern), until)
    if match is None:
        return "no login prompt in time"
    if not ASKS.search(match[0]):
        return f"gave up: {match[0].decode('utf-8', 'replace').strip()}"
    port.write(b"\n")
    tell(f"milestone login after {time.monotonic() - began:.0f}")
    console.send("root\n")
    if console.wait(rb"assword: ?$", until) is None:
        return "asks for no password"
    console.send("kensho\n")
    if console.wait(rb"[#$] ?$", until) is None:
        return "no shell"
    console.send("bind 'set enable-bracketed-paste off'; stty -echo; PS1='kensho''-shell# ' PS2=\n")
    if console.wait(PROMPT, until) is None:
        return "no shell"
    console.send("cat >/run/report.sh <<'END-OF-REPORT'\n" + REPORT.read_text() + "END-OF-REPORT\n")
    if console.wait(PROMPT, until) is None:
        return "does not take the report's script"
    console.send("KENSHO_PORT=/run/report sh /run/report.sh; cat /run/report\n")
    match = console.wait(rb"kensho-report end[\s\S]*" + PROMPT, until)
    if match is None:
        return "does not report"
    if own := re.search(rb" address=(192\.168\.77\.\d{1,3})/", match.string):
        console.address = own[1].decode()
    for command in (
        "cat /sys/hypervisor/type /proc/cmdline",
        "for d in vbd vif; do readlink -f /sys/bus/xen/drivers/$d/module; done",
        "dmesg | grep -iE 'xen|xvda|vif|hypervisor' | head -n 60",
        "systemctl --failed --no-legend --plain; systemctl is-system-running",
    ):
        console.send(f"{command}\n")
        if console.wait(PROMPT, until) is None:
            return f"no answer to {command}"
    return "reported"


def state(name):
    """Return the domain's number as xl knows it, empty when it is gone."""
    done = subprocess.run(["xl", "domid", name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def reached(address):
    """Tell whether somebody is at the address: a port on which nobody listens is refused."""
    if not address:
        return "no address"
    try:
        socket.create_connection((address, 9), timeout=20).close()
    except ConnectionRefusedError:
        return f"answers at {address}"
    except OSError as error:
        return f"silent at {address}: {error}"
    return f"answers at {address}"


def trial(folder):
    wanted = json.loads((folder / "trial.json").read_text())
    tell(f"trial {folder.name}")
    run("mount", "--bind", str(folder), str(IMAGES))
    name = wanted["name"]
    began = time.monotonic()
    until = began + wanted["seconds"]
    code, _ = run("xl", "-v", "create", f"{IMAGES}/{wanted['config']}", *wanted["with"])
    end = "not created"
    if code == 0:
        console = Console(name)
        tell("console")
        end = look_inside(console, began, until)
        port.write(b"\n")
        tell("console-end")
        number = state(name)
        run("xl", "list", "-l", name) if end != "reported" else run("xl", "list")
        run("xenstore-ls", "-f", f"/local/domain/0/backend/vbd/{number}")
        run("xenstore-ls", "-f", f"/local/domain/0/backend/vif/{number}")
        tell(f"network {reached(console.address)}")
        tell(f"result {end} after {time.monotonic() - began:.0f} s")
        if end == "reported":
            # Asked for over xenstore: the guest shuts down by itself.
            tell("console")
            run("xl", "shutdown", name)
            limit = time.monotonic() + 240
            while state(name) and time.monotonic() < limit:
                console.wait(rb"(?!)", time.monotonic() + 3)
            port.write(b"\n")
            tell("console-end")
            tell(f"shutdown {'still runs' if state(name) else 'clean'}")
        console.close()
    else:
        tell(f"result {end}")
    if state(name):
        run("xl", "destroy", name)
    if end != "reported":
        for log in sorted(pathlib.Path("/var/log/xen").glob("*")):
            run("tail", "-n", "60", str(log)) if log.is_file() else None
        run("sh", "-c", "xl dmesg | tail -n 40")
    time.sleep(2)
    run("umount", str(IMAGES))


def main():
    IMAGES.mkdir(parents=True, exist_ok=True)
    run("xl", "info")
    run("sh", "-c", "cat /proc/cmdline; ls /srv/trials; ip -br address")
    for folder in sorted(path.parent for path in TRIALS.glob("*/trial.json")):
        try:
            trial(folder)
        except Exception as error:  # noqa: BLE001 - the host has to learn of it
            tell(f"result failed: {error!r}")
    tell("done")
    subprocess.run(["systemctl", "poweroff", "--force", "--force"], check=False)


main()
