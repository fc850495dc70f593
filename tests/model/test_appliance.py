from __future__ import annotations

import json
from pathlib import Path

import msgspec

from kensho.model.appliance import Appliance, json_schema
from kensho.model.machine import BUS_OF, ControllerModel
from kensho.model.units import format_bytes, format_seconds
from tests.convert.machines import appliance, machine

SCHEMA = Path(__file__).parents[2] / "docs/schema/appliance.schema.json"


def test_an_appliance_survives_json() -> None:
    original = appliance(machine(disks=2), machine(machine_id="db01"))
    assert msgspec.json.decode(msgspec.json.encode(original), type=Appliance) == original


def test_the_schema_in_the_docs_is_the_one_of_the_structs() -> None:
    now = json.loads(json.dumps(json_schema()))
    remedy = f"run: kensho inspect --schema > {SCHEMA}"
    assert json.loads(SCHEMA.read_text()) == now, remedy


def test_every_controller_has_a_bus() -> None:
    assert set(BUS_OF) == set(ControllerModel)


def test_sizes_and_times_in_words() -> None:
    assert format_bytes(512) == "512 B"
    assert format_bytes(1536) == "1.5 KiB"
    assert format_bytes(3 * 1024**3) == "3 GiB"
    assert format_bytes(10**4000) == "more than 1 YiB"
    assert format_seconds(1.25) == "1.2s"
    assert format_seconds(133) == "2m13s"
    assert format_seconds(7260) == "2h01m"
