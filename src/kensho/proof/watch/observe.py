"""What is seen of a running guest beside its serial port: its screen, its network, how it ended.

All of it is asked of QEMU over its monitor. The guest takes no part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kensho.proof.qemu.monitor import Monitor
from kensho.proof.watch.network import Network, Wiring
from kensho.proof.watch.pictures import Pictures

_ONE_RESTART = 2.0  #: seconds in which resets are of one


class Observer:
    """Watches one QEMU. Whatever QEMU does not answer is not seen, and never an error."""

    def __init__(
        self,
        monitor: Path,
        captures: tuple[Path, ...],
        folder: Path,
        runs: Callable[[], bool] = lambda: True,
        wiring: Wiring | None = None,
    ) -> None:
        """Connect to the monitor, as long as QEMU ``runs``; pictures go to ``folder``.

        What QEMU writes beside them goes to the monitor's own folder.

        ``wiring`` is None for adapters with a network of their own each.
        """
        self._monitor = Monitor(monitor, runs)
        self.screen = Pictures(self._monitor, folder, monitor.parent)
        self.network = Network(self._monitor, captures, wiring)

    def press_power(self) -> bool:
        """Ask the guest to shut down by ACPI; False when QEMU is gone."""
        return self._monitor.does("system_powerdown")

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the data of QEMU's events of a kind so far: ``SHUTDOWN``, ``RESET``, ``GUEST_PANICKED``."""
        return [data for _, data in self._monitor.events(name)]

    def restarts(self) -> int:
        """Return how often the guest restarted so far.

        SeaBIOS resets the machine up to four times more for each, in a tenth of a second, to have itself afresh.
        """
        count, begun = 0, float("-inf")
        for at, data in self._monitor.events("RESET"):
            if data.get("guest") and at >= begun + _ONE_RESTART:
                count, begun = count + 1, at
        return count

    def close(self) -> None:
        """Close the monitor; QEMU goes on."""
        self._monitor.close()
