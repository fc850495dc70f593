"""A short run of every fuzz target, and every input that once broke one."""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest
from guest_targets import GUESTS
from packed import Packed, Sparse, load, pack
from proof_targets import PROOFS
from targets import TARGETS, run_one

from kensho.model.errors import TruncatedError
from kensho.storage import MemorySource

#: Targets whose seeds other programs make, which may not be installed.
TOOLS = {"gpt", "luks", "ext", "fat", "ntfs", "xfs", "btrfs", "ufs", "iso"}
HERE = Path(__file__).parent
REGRESSIONS = sorted((HERE / "regressions").glob("*.hex"))


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_once_failed(path):
    """The name is ``target-what.hex``; lines that begin with # say what it was."""
    lines = path.read_text().splitlines()
    data = bytes.fromhex("".join(line for line in lines if not line.startswith("#")))
    run_one(path.stem.partition("-")[0], data)


@pytest.mark.parametrize("name", [*GUESTS, *PROOFS])
def test_what_the_fuzzer_begins_with(name):
    """These are many, and a start of the fuzzer takes seconds: most are run by ``make fuzz`` alone."""
    found = list(TARGETS[name].seeds())
    assert found or name in TOOLS
    for seed in found:
        run_one(name, seed)


@pytest.mark.parametrize(
    "name", [*sorted(TARGETS.keys() - GUESTS.keys() - PROOFS.keys()), "hive", "serial"]
)
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: it has wheels for CPython on Linux x86-64 only",
)
def test_a_short_run(name, tmp_path):
    # By way of a small process: the peak that libFuzzer limits starts at that of the parent.
    small = ["sh", "-c", '"$@"; exit $?', "sh"]
    done = subprocess.run(
        [*small, sys.executable, HERE / "run.py", name, "--runs", "200", "--out", tmp_path],
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done" in done.stderr
    assert not list((tmp_path / name / "found").iterdir())


def test_a_packed_file_is_the_file():
    rng = random.Random(1)
    blob = bytearray(300_000)
    for _ in range(50):
        at = rng.randrange(len(blob))
        blob[at : at + 9000] = rng.randbytes(min(rng.randrange(1, 9000), len(blob) - at))
    blob = bytes(blob)
    loaded = load(pack(blob, 3).dump())
    assert loaded == load(loaded.dump())
    sparse, memory = Sparse(loaded), MemorySource(blob)
    assert (loaded.flags, sparse.size) == (3, len(blob))
    for _ in range(200):
        at = rng.randrange(len(blob))
        length = rng.randrange(min(20_000, len(blob) - at))
        assert sparse.read_at(at, length) == memory.read_at(at, length)
    with pytest.raises(TruncatedError):
        sparse.read_at(len(blob) - 1, 2)
    for _ in range(100):  # any bytes are a packed file
        Sparse(load(rng.randbytes(rng.randrange(100))))
    assert Packed(0, 5, []).dump() == pack(bytes(5)).dump()
