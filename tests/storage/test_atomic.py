"""Files under construction: one run each."""

import pytest

from kensho.model.errors import UsageError
from kensho.storage import PendingFile
from kensho.storage.atomic import partial_path


def test_two_runs_do_not_write_one_pending_file(tmp_path):
    with PendingFile(tmp_path / "x") as first:
        first.sink.append(b"whole")
        with pytest.raises(UsageError, match="another run"):
            PendingFile(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    partial_path(tmp_path / "x").write_bytes(b"half a ")
    with PendingFile(tmp_path / "x") as pending:
        pending.sink.append(b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
