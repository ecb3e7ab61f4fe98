"""Energy from counters of the system: a folder like Linux's powercap, and a GPU's library, both made up."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from switchtune.training.energy import energy_meter

CPU = torch.device("cpu")


def zone(folder: Path, name: str, label: str, microjoules: int, largest: int = 10**9) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(f"{label}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{largest}\n")
    return path


def test_packages_are_added_up_once_and_over_the_end_of_their_counters(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 999_999_000)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 0)
    again = zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100)
    meter = energy_meter(CPU, powercap=tmp_path)
    assert meter.kilowatt_hours() == 0
    for path in (first, core, again):
        (path / "energy_uj").write_text("360000100\n")
    (second / "energy_uj").write_text("359999000\n")  # 1 000 to the end, 359 999 000 after it
    assert meter.kilowatt_hours() == pytest.approx(720e6 / 1e6 / 3.6e6)
    (first / "energy_uj").write_text("720000100\n")
    assert meter.kilowatt_hours() == pytest.approx(1080e6 / 1e6 / 3.6e6)


def test_there_is_nothing_where_counters_are_missing_or_kept_back(tmp_path: Path) -> None:
    assert energy_meter(CPU, powercap=tmp_path / "none").kilowatt_hours() is None
    damaged = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    (damaged / "energy_uj").write_text("\n")
    kept_back = zone(tmp_path, "intel-rapl:1", "package-1", 0)
    (kept_back / "energy_uj").unlink()
    (kept_back / "energy_uj").mkdir()  # as unreadable as what belongs to the administrator, who reads everything
    assert energy_meter(CPU, powercap=tmp_path).kilowatt_hours() is None


class FakeNvml(ModuleType):
    """Counts 1 800 joules a look."""

    class NVMLError(Exception):
        pass

    def __init__(self, cards: set[str]) -> None:
        super().__init__("pynvml")
        self.cards, self.millijoules = cards, 0

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:  # noqa: N802
        if name not in self.cards:
            raise self.NVMLError(name)
        return name

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        self.millijoules += 1_800_000
        return self.millijoules


def test_a_gpu_is_found_by_its_name_in_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1-2-3"))
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml({"GPU-1-2-3"}))
    meter = energy_meter(torch.device("cuda:0"))
    assert meter.kilowatt_hours() == pytest.approx(0.0005)
    assert meter.kilowatt_hours() == pytest.approx(0.001)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(set()))
    assert energy_meter(torch.device("cuda:0")).kilowatt_hours() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy_meter(torch.device("cuda:0")).kilowatt_hours() is None
