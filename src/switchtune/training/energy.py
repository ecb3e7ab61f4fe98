"""Energy as the machine counts it: of a GPU by NVML, of the processors by Linux's powercap (Intel's and AMD's RAPL)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch

JOULES_PER_KILOWATT_HOUR = 3.6e6

POWERCAP = Path("/sys/class/powercap")

Reader: TypeAlias = Callable[[], int]


@dataclass(frozen=True)
class Counter:
    """A counter of energy that only grows, but for where it begins at 0 again."""

    read: Reader
    joules: float
    """Energy of one of its units."""
    largest: int | None = None
    """The value after which it begins anew; None for one that has no such end."""


@dataclass
class EnergyMeter:
    """Energy that counters have counted since the meter was made.

    A counter of a processor begins anew after some hundred kilojoules: it is to be read every few minutes.
    """

    counters: tuple[Counter, ...]
    _last: list[int] = field(init=False)
    _joules: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._last = [counter.read() for counter in self.counters]

    def kilowatt_hours(self) -> float | None:
        """So far, of all counters together; None where there is none."""
        if not self.counters:
            return None
        for place, counter in enumerate(self.counters):
            now = counter.read()
            used = now - self._last[place]
            if used < 0 and counter.largest is not None:
                used += counter.largest
            self._joules += used * counter.joules
            self._last[place] = now
        return self._joules / JOULES_PER_KILOWATT_HOUR


def energy_meter(device: torch.device, *, powercap: Path = POWERCAP) -> EnergyMeter:
    """What the training's device uses: a GPU alone, or on a CPU all processors of the machine with all that they do.

    It has no counters where the machine has none, or keeps them to its administrator (as most Linux systems do with
    those of processors), or where `nvidia-ml-py` is not installed.
    """
    return EnergyMeter(_gpu_counters(device) if device.type == "cuda" else _processor_counters(powercap))


def _processor_counters(powercap: Path) -> tuple[Counter, ...]:
    """Of the processors' packages; what is counted within them (cores, graphics) is not counted again."""
    counters = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        try:
            if not (zone / "name").read_text().startswith("package"):
                continue
            largest = int((zone / "max_energy_range_uj").read_text())
            read = _file_reader(zone / "energy_uj")
            read()
        except (OSError, ValueError):
            continue
        counters.append(Counter(read, joules=1e-6, largest=largest))
    return tuple(counters)


def _file_reader(path: Path) -> Reader:
    return lambda: int(path.read_text())


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
