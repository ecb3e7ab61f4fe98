"""What is found on a machine, and what is missing."""

from importlib.metadata import PackageNotFoundError, metadata

import pytest

from switchtune.runs import doctor


def test_every_extra_is_explained() -> None:
    assert doctor.EXTRAS.keys() == {*(metadata("switchtune").get_all("Provides-Extra") or ())} - {"dev", "docs"}


def test_what_is_missing_is_told_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"torch": "2.13.0+cpu", "typer": "0.1", "switchtune": "0.1.0", "peft": "0.21.0"}

    def version(name: str) -> str:
        if name not in found:
            raise PackageNotFoundError(name)
        return found[name]

    needed = [
        "torch>=2.11,<2.14",
        "typer>=0.29",
        "rich>=14",
        'peft>=0.21; extra == "lora"',
        'x>=1; extra == "analysis"',
    ]
    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(doctor, "requires", lambda name: needed)
    monkeypatch.setattr(doctor, "why_unreachable", lambda: "https://huggingface.co: no route")
    examined = doctor.examined()
    assert examined.faults == ("typer 0.1 is installed, and >=0.29 is supported", "rich is not installed")
    assert examined.missing == {"analysis": ["x"]}
    lines = list(examined.lines())
    assert lines[0].startswith("switchtune 0.1.0, Python 3.")
    assert "not installed: x: t-SNE in `analyse`: pip install 'switchtune[analysis]'" in lines
    assert any(line.startswith("Hub: cannot be reached (https://huggingface.co: no route)") for line in lines)
    assert any("precision auto is " in line for line in lines)
    assert examined.disk_free_gb and all(free > 0 for free in examined.disk_free_gb.values())
