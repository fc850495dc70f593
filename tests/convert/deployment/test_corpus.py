"""Every package of the corpus: its environment is valid, its properties never break anything."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path

import pytest
from lxml import etree

from kensho.appliances import open_package
from kensho.appliances.ovfenv.environment import environment_of
from kensho.appliances.ovfenv.ignition import render_ignition
from kensho.appliances.ovfenv.known import understand
from kensho.appliances.ovfenv.nocloud import render_nocloud
from kensho.appliances.ovfenv.xml import render_xml
from kensho.convert.deployment.properties import all_properties, assign, missing
from kensho.convert.deployment.settings import Given
from kensho.model.errors import KenshoError
from kensho.model.property_values import check_value, describe, value_type

SHARED = Path(__file__).parents[4] / "shared"
SCHEMA = SHARED / "xsd/env1/dsp8027_1.0.0.xsd"
MANIFEST = SHARED / "corpus/MANIFEST.csv"


@pytest.mark.skipif(not MANIFEST.exists() or not SCHEMA.exists(), reason="no corpus here")
def test_environments_of_the_corpus() -> None:
    schema = etree.XMLSchema(file=str(SCHEMA))
    with MANIFEST.open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file) if row["path"].endswith(".ovf")]
    environments = properties = wrong = 0
    for path in paths:
        try:
            package = open_package(MANIFEST.parent / path)
        except KenshoError:
            continue
        appliance = package.appliance
        package.close()
        missing(appliance)
        for _, prop in all_properties(appliance):
            properties += 1
            wrong += bool(prop.value and check_value(prop, prop.value))
            assert describe(value_type(prop.type, prop.qualifiers))
        names = [place.name for place, _ in all_properties(appliance)]
        assign(appliance, [Given(name, "x") for name in (*names[:3], "nothing")])
        for machine in appliance.machines:
            told = environment_of(appliance, machine.id)
            schema.assertValid(etree.fromstring(render_xml(told)))
            known = understand(appliance, machine)
            assert dict(render_nocloud(told, known))["meta-data"]
            json.loads(render_ignition(told, known))
            environments += 1
    assert environments > 500
    assert properties > 500
    assert wrong == 0, f"{wrong} of {properties} defaults are said to be wrong"


def test_base64_is_only_decoded_when_it_is_some() -> None:
    from kensho.appliances.ovfenv.known import _maybe_base64

    assert _maybe_base64("hello world!") == b"hello world!"
    assert _maybe_base64(base64.b64encode(b"#cloud-config\n").decode()) == b"#cloud-config\n"
