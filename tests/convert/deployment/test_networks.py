"""Networks by name: a wrong name is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.appliances import open_package
from kensho.convert.deployment.networks import map_networks, read_network
from kensho.model.appliance import Appliance
from kensho.model.errors import UsageError
from tests.convert.deployment.deployable import package


@pytest.fixture
def appliance(tmp_path: Path) -> Appliance:
    opened = open_package(package(tmp_path))
    opened.close()
    return opened.appliance


def test_govmomi_1807_a_wrong_network_name_is_an_error_with_the_valid_names(
    appliance: Appliance,
) -> None:
    with pytest.raises(UsageError) as error:
        map_networks(appliance, [("VM Netwrk", "br0"), ("Nothing like it", "br1")])
    assert "'VM Netwrk', did you mean 'VM Network'?" in error.value.message
    assert "'Nothing like it'" in error.value.message
    assert error.value.hint == "networks: 'VM Network', 'Storage'"


def test_govmomi_460_networks_are_mapped_by_name(appliance: Appliance) -> None:
    mapped = map_networks(appliance, [("VM Network", "prod")])
    assert [n.name for n in mapped.networks] == ["prod", "Storage"]
    assert mapped.machines[0].nics[0].network == "prod"
    assert mapped.machines[0].nics[0].target_network == "prod"


def test_govmomi_1561_the_case_of_a_name_does_not_matter(appliance: Appliance) -> None:
    mapped = map_networks(appliance, [("vm network", "prod")])
    assert mapped.machines[0].nics[0].network == "prod"


def test_govmomi_488_one_target_for_all_networks(appliance: Appliance) -> None:
    mapped = map_networks(appliance, [("*", "prod"), ("Storage", "san")])
    assert [n.name for n in mapped.networks] == ["prod", "san"]
    assert mapped.machines[0].nics[0].network == "prod"


def test_two_networks_on_one_target_are_one_network(appliance: Appliance) -> None:
    mapped = map_networks(appliance, [("*", "prod")])
    assert [n.name for n in mapped.networks] == ["prod"]


def test_names_with_equals_signs() -> None:
    assert read_network("a=b=c") == ("a=b", "c")
    for text in ("a", "=b", "a=", ""):
        with pytest.raises(UsageError):
            read_network(text)
