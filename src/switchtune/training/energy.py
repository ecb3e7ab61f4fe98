"""Energy as the machine counts it: of a GPU by NVML, of the processors by Linux's powercap (Intel's and AMD's RAPL)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

JOULES_PER_KILOWATT_HOUR = 3.6e6

POWERCAP = Path("/sys/class/powercap")


@dataclass
class Counter:
    """A counter of energy that only grows, but for where it begins at 0 again; read every few minutes."""

    read: Callable[[], int]
    joules: float
    """Energy of one of its units."""
    largest: int | None = None
    """The value after which it begins anew, after some hundred kilojoules; None for one that has no such end."""

    def __post_init__(self) -> None:
        self._last = self.read()

    def used(self) -> float:
        """Joules since the last look, or since the counter was taken up."""
        now = self.read()
        used = now - self._last
        self._last = now
        return (used + (self.largest or 0) if used < 0 else used) * self.joules


@dataclass
class EnergyMeter:
    counters: tuple[Counter, ...]
    _joules: float = field(init=False, default=0.0)

    def kilowatt_hours(self) -> float | None:
        """So far, of all counters together; None where there is none."""
        self._joules += sum(counter.used() for counter in self.counters)
        return self._joules / JOULES_PER_KILOWATT_HOUR if self.counters else None


def energy_meter(device: torch.device, *, powercap: Path = POWERCAP) -> EnergyMeter:
    """What the training's device uses: a GPU alone, or on a CPU all processors of the machine.

    Without counters where the machine has none or keeps them to its administrator, or without `nvidia-ml-py`.
    """
    return EnergyMeter(_gpu_counters(device) if device.type == "cuda" else _processor_counters(powercap))


def _processor_counters(powercap: Path) -> tuple[Counter, ...]:
    """Of the processors' packages; what is counted within them (cores, graphics) is not counted again."""
    counters = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        try:
            if (zone / "name").read_text().startswith("package"):
                largest = int((zone / "max_energy_range_uj").read_text())
                read = partial(_number_in, zone / "energy_uj")
                counters.append(Counter(read, joules=1e-6, largest=largest))
        except (OSError, ValueError):
            continue
    return tuple(counters)


def _number_in(path: Path) -> int:
    return int(path.read_text())


def _gpu_counters(device: torch.device) -> tuple[Counter, ...]:
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
        # By its name in hardware: CUDA_VISIBLE_DEVICES may number the cards otherwise.
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return ()
    return (Counter(lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)), joules=1e-3),)
