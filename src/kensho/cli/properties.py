"""The properties of a package as a table: what can be set, what has to be."""

from __future__ import annotations

from kensho.cli.render import table
from kensho.convert.deployment.properties import all_properties, is_password
from kensho.model.appliance import Appliance
from kensho.model.property_values import describe, is_required, value_type


def properties_table(appliance: Appliance) -> object | None:
    """Return the table, None without properties that a user may set. No password is in it."""
    from rich.markup import escape

    rows = table("Properties", "property", "machine", "value", "takes")
    found = False
    for place, prop in all_properties(appliance):
        if not prop.user_configurable:
            continue
        found = True
        value = "(hidden)" if is_password(prop) and prop.value else prop.value
        value = "(needed)" if is_required(prop) else value
        takes = describe(value_type(prop.type, prop.qualifiers))
        rows.add_row(escape(place.name), escape(place.machine), escape(value), escape(takes))
    return rows if found else None
