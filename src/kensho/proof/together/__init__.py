"""Machines of an appliance at the same time: in their start order, on the appliance's own networks."""
