"""Prove the demo's appliance on every profile, as its maker had it and adapted (`make demo-proof`).

Both tables are printed and kept with pages, pictures and logs, signed by a key made for the occasion, and
checked by `kensho verify` and by openssl. Ends with 0 when the guest as it was made fails where it has to,
for the cause that it has, and comes up everywhere when adapted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import appliance
from expected import objections
from kensho.proof.profiles import DISTINCT
from oracles import signed_by
from shell import StepFailedError, run, step
from table import print_proofs

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "demo-proof"
KENSHO = Path(sys.executable).with_name("kensho")
AS_MADE, ADAPTED = "as-made", "adapted"
STATES = {AS_MADE: (), ADAPTED: ("--adapt",)}
_SMALL = ("--memory", "512")  #: MiB, so that four of them run on a machine with 8 GiB
_CAME_UP, _DID_NOT = 0, 15  #: how `kensho prove` ends


def main() -> int:
    """Run both proofs; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", default=",".join(p.name for p in DISTINCT), help="fewer profiles")
    parser.add_argument("--out", type=Path, default=OUT, help="a folder; what is in it is deleted")
    arguments = parser.parse_args()
    try:
        wrong = prove_both(arguments.on, arguments.out)
    except StepFailedError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def prove_both(on: str, out: Path) -> list[str]:
    """Prove the guest on profiles as it was made and adapted; returns what is not as it has to be."""
    disk = appliance.build_as_made(ROOT / ".cache" / "demo")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    source, key, public = _packed(disk, out), out / "signer.pem", out / "signer.pub"
    run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key])
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", public])
    begun = time.monotonic()
    proofs = {}
    for name, more in STATES.items():
        print(f"\nThe appliance, {name}:", flush=True)
        _prove(source, on, out / name, key, more)
        proofs[name] = trials_of(out / name)
    took = time.monotonic() - begun
    with step("the evidence checked by kensho and by openssl"):
        for name, more in ((AS_MADE, ("--disk", disk)), (ADAPTED, ())):
            run([KENSHO, "verify", out / name, "--public-key", public, *more])
            signed_by(out / name / "certificate.json", public)
    key.unlink()
    print_proofs(proofs[AS_MADE], proofs[ADAPTED])
    starts = sum(trial["started"] for trials in proofs.values() for trial in trials.values())
    print(f"\n{starts} starts in {took:.0f} s; pages: {out}/{{{AS_MADE},{ADAPTED}}}/index.html")
    return objections(proofs[AS_MADE], proofs[ADAPTED])


def _packed(disk: Path, out: Path) -> Path:
    with step("packed as an OVA"):
        run([KENSHO, "convert", disk, "--to", "ova", "--name", appliance.NAME, "--guest",
             appliance.GUEST, "-o", out / "source", "--json"])  # fmt: skip
    (source,) = (out / "source").glob("*.ova")
    return source


def _prove(source: Path, on: str, folder: Path, key: Path, more: Sequence[str]) -> None:
    """Have kensho prove it; what it says as it goes along is seen."""
    argv = [KENSHO, "prove", source, "--on", on, "-o", folder, "--sign-key", key, *_SMALL, *more]
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, check=False)
    if done.returncode not in {_CAME_UP, _DID_NOT}:
        raise StepFailedError(f"kensho prove ended with code {done.returncode}")


def trials_of(folder: Path) -> dict[str, dict]:
    """Return the trials of a statement by profile."""
    statement = json.loads((folder / "statement.json").read_text())
    return {trial["profile"]: trial for trial in statement["predicate"]["trials"]}


if __name__ == "__main__":
    sys.exit(main())
