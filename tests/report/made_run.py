"""Folders of runs made by hand: every file that a report shows, small, with text that is no HTML."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from switchtune.config.run import RunConfig
from switchtune.lexicon.files import write_lexicon
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.results.comparison import SCHEMA
from switchtune.results.matrix import Cell, Matrix, decided_matrices
from switchtune.scoring.significance import Comparison, decide
from tests.miniature import ENGLISH, GERMAN

EVIL = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
BLEU = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"


def score(metric: str, value: float) -> dict[str, Any]:
    return {"metric": metric, "value": value, "signature": BLEU, "n": 6}


def against(
    difference: float, p_value: float, interval: tuple[float, float], metric: str = "BLEU", value: float = 40.0
) -> Comparison:
    """A comparison with a baseline of 40, decided alone."""
    values = (value, value + difference, difference, p_value, interval, 600, 2, 2, 1000, 1)
    return decide([Comparison(metric, *values, signature=f"nrefs:1|bs:1000|{BLEU}")])[0]


def metrics(
    comparison: Comparison, *, scores: Mapping[str, str] = {"bleu": "BLEU", "chrf": "chrF++"}, seeds: int = 2
) -> dict[str, Any]:
    difference = comparison.difference
    rows = []
    for recipe, mean in (("standard", 40.0), ("csr", 40.0 + difference)):
        rows.append(
            {
                "pair": "de-en",
                "arm": recipe,
                "updates": {"task": 40} if recipe == "standard" else {"restore": 10, "task": 30},
                **{key: [score(name, mean + seed / 10) for seed in range(seeds)] for key, name in scores.items()},
                "minutes": 1.5,
                "against_baseline": None if recipe == "standard" else asdict(comparison),
            }
        )
    return {"schema": SCHEMA, "baseline": "standard", "seeds": list(range(1, seeds + 1)), "rows": rows}


def make_run(folder: Path, **changed: Any) -> Path:
    """A finished run of two arms and two seeds; `changed` takes the place of the content of files, None leaves out."""
    data = folder.parent / f"data-of-{folder.name}"
    data.mkdir(parents=True)
    for part, rows in {"train": slice(0, 16), "valid": slice(0, 4), "test": slice(10, 16)}.items():
        for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
            (data / f"{part}.{code}").write_text("".join(f"{line}\n" for line in lines[rows]), encoding="utf-8")
    config = {
        "model": "model",
        "pairs": [
            {"source": "de", "target": "en"}
            | {part: str(data / f"{part}.{{de,en}}") for part in ("train", "valid", "test")}
        ],
        "seeds": [1, 2],
        "training": {"updates": 40},
    }
    resolved = RunConfig.model_validate(config).model_dump(mode="json")
    write(folder / "config.resolved.yaml", yaml.safe_dump(resolved))
    files: dict[str, Any] = {
        "metrics.json": metrics(against(1.5, 0.01, (0.4, 2.6))),
        "manifest.json": {
            "versions": {"switchtune": "0.1.0"},
            "corpora": {"de-en": {"test": {"origin": "test.{de,en}", "pairs": 6, "fingerprint": "aaaa"}}},
            "lexicons": {},
        },
        "zeroshot.json": {"matrices": [matrix()]},
        **{f"analysis/{name}.json": {"missing": [], **content} for name, content in analyses().items()},
        **changed,
    }
    for name, content in files.items():
        if content is not None:
            write(folder / name, json.dumps(content, ensure_ascii=False))
    for arm, shift in (("standard", 0.0), ("csr", -0.2)):
        for seed in (1, 2):
            trial = folder / "de-en" / arm / f"seed{seed}"
            write(trial / "metrics.jsonl", "".join(f"{json.dumps(entry)}\n" for entry in curve(arm, shift)))
            outputs = list(ENGLISH[10:16])
            outputs[1] = f"The {arm} cook cuts {EVIL}"
            if arm == "csr":
                outputs[3] = "The woman in the green dress hums a song."
            write(trial / "hypotheses.txt", "".join(f"{line}\n" for line in outputs))
    make_lexicon(folder / "lexicon" / "de-en" / "auto-1a2b3c4d")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def curve(arm: str, shift: float) -> list[dict[str, Any]]:
    def entry(update: int) -> dict[str, Any]:
        stage = "restore" if arm == "csr" and update <= 10 else "task"
        nll = 6.0 / (1 + update / 8) + 1 + shift
        measured = {"valid_nll": nll + 0.1} if update % 10 == 0 else {"loss": nll + 0.5, "nll": nll}
        return {"stage": stage, "update": update, **measured, "seconds": 0.1 * update, "memory_gb": 0.5}

    return [entry(update) for update in range(41)]


def make_lexicon(folder: Path) -> None:
    words = {
        "Hund": "dog",
        "Katze": "cat",
        "Mann": "man",
        "Frau": "woman",
        "liest": "reads",
        "Buch": "book",
        "ein": "a",
    }
    for source, target, pairs in (("de", "en", words), ("en", "de", {there: here for here, there in words.items()})):
        entries = {
            here.lower(): Entry(here, 20 - place, (Translation(there, 0.75, 3),))
            for place, (here, there) in enumerate(pairs.items())
        }
        folder.mkdir(parents=True, exist_ok=True)
        lexicon = Lexicon(source, target, "align", "probability", "word", entries)
        write_lexicon(lexicon, folder / f"lexicon.{source}-{target}.tsv")
    direction = {
        "source": "de",
        "target": "en",
        "entries": 7,
        "verdict": "green",
        "lift": 0.4,
        "paired": 0.5,
        "shuffled": 0.1,
        "deviations": 12.5,
        "words": 7,
        "coverage": 0.9,
        "stability": None,
        "reasons": [],
        "samples": [
            {
                "band": "frequent",
                "word": EVIL,
                "count": 3,
                "translations": [{"word": "dog", "strength": 0.7}],
                "paired": 0.5,
            }
        ],
    }
    judgement = {
        "verdict": "green",
        "languages": ["de", "en"],
        "lift": 0.4,
        "coverage": 0.9,
        "stability": None,
        "reasons": [],
        "held_out_pairs": 4,
        "directions": [direction],
        "method": "align",
        "chosen": "auto",
    }
    write(folder / "judgement.json", json.dumps(judgement))


def matrix() -> dict[str, Any]:
    """As `switchtune zeroshot` writes it."""

    def cell(trained: str, tested: str, difference: float, p_value: float) -> Cell:
        found = against(difference, p_value, (difference - 0.7, difference + 0.7))
        return Cell(f"{trained}-en", f"{tested}-en", found, (1.0, 0.9, 1.0), trained == tested)

    cells = (
        cell("de", "de", 1.5, 0.01),
        cell("it", "de", 0.4, 0.3),
        cell("de", "it", -0.8, 0.02),
        cell("it", "it", 0.0, 1.0),
    )
    return decided_matrices([Matrix("test", "standard", "csr", cells)])[0].record()


def analyses() -> dict[str, Any]:
    """The content of the files in `analysis/`, by name."""
    systems: list[dict[str, Any]] = [
        {"arm": None, "seed": None, "stage": "pretrained"},
        {"arm": "standard", "seed": 1, "stage": "task"},
        {"arm": "csr", "seed": 1, "stage": "restore"},
        {"arm": "csr", "seed": 1, "stage": "task"},
    ]
    return {
        "distance": {
            "pairs": [
                {
                    "pair": "de-en",
                    "tests": "test",
                    "sentences": 6,
                    "systems": [
                        each
                        | {
                            "layers": [
                                {
                                    "layer": layer,
                                    "distance": 10.0 - layer - place,
                                    "cosine": 0.5 + 0.05 * layer + 0.05 * place,
                                    "retrieval": 0.6 + 0.1 * layer,
                                }
                                for layer in (1, 2, 3)
                            ]
                        }
                        for place, each in enumerate(systems)
                    ],
                }
            ]
        },
        "projection": {
            "pairs": [
                {
                    "pair": "de-en",
                    "method": "pca",
                    "systems": [
                        each
                        | {
                            "points": [
                                {"x": 0.3 * number - place, "y": (number * 7) % 5, "kind": kind, "language": language}
                                for number in range(12)
                                for kind in ("pretraining", "task")
                                for language in ("de", "en")
                            ],
                            "ellipses": [
                                {
                                    "language": language,
                                    "x": x,
                                    "y": 2.0,
                                    "semi_major": 2.5,
                                    "semi_minor": 1.0,
                                    "angle_degrees": 30.0,
                                }
                                for language, x in (("de", 0.0), ("en", 2.0))
                            ],
                        }
                        for place, each in enumerate(systems)
                    ],
                }
            ]
        },
        "frequency": {
            "pairs": [
                {
                    "pair": "de-en",
                    "buckets": [{"from": 0, "to": 100}, {"from": 100, "to": 1000}, {"from": 1000, "to": None}],
                    "systems": [
                        {
                            "arm": "standard",
                            "seed": 1,
                            "f_measure": [31.25, 52.0, 70.0],
                            "reference_words": [10, 20, 30],
                        },
                        {"arm": "csr", "seed": 1, "f_measure": [38.5, 54.0, None], "reference_words": [10, 20, 0]},
                    ],
                }
            ]
        },
        "dynamics": {
            "pairs": [
                {
                    "pair": "de-en",
                    "arms": [
                        {
                            "arm": arm,
                            "seed": 1,
                            "train": [],
                            "valid": [
                                {"update": 0, "stage": "task", "nll": 5.0, "bleu": None, "distance": 8.0},
                                {"update": 40, "stage": "task", "nll": 2.0, "bleu": 40.0, "distance": 6.0},
                            ],
                            "updates_to_baseline": reached,
                        }
                        for arm, reached in (("standard", 40), ("csr", None))
                    ],
                }
            ]
        },
        "length": {
            "pairs": [
                {
                    "pair": "de-en",
                    "baseline": "standard",
                    "metric": "chrF++",
                    "unit": "words",
                    "sentences": [2, 4],
                    "buckets": [{"from": 0, "to": 8}, {"from": 8, "to": None}],
                    "systems": [
                        {"arm": "standard", "seed": 1, "score": [50.0, 40.0]},
                        {"arm": "csr", "seed": 1, "score": [51.0, 43.0]},
                    ],
                }
            ]
        },
        "cost": {
            "rows": [
                {
                    "pair": "de-en",
                    "arm": "standard",
                    "seed": 1,
                    "stage": "task",
                    "updates": 40,
                    "seconds": 90.0,
                    "peak_gigabytes": 0.5,
                    "kilowatt_hours": None,
                    "tokens_per_second": 4321.0,
                }
            ],
            "missing": ["de-en/csr/seed1: no such thing"],
        },
        "cases": {
            "pairs": [
                {
                    "pair": "de-en",
                    "arm_a": "standard",
                    "arm_b": "csr",
                    "sentences": [
                        {
                            "row": 3,
                            "source": GERMAN[13],
                            "reference": ENGLISH[13],
                            "hypothesis_a": ENGLISH[13],
                            "hypothesis_b": "The woman in the green dress hums a song.",
                            "chrf_a": 100.0,
                            "chrf_b": 71.5,
                            "rare_words": ["dress", "sings"],
                            "unseen": ["sings"],
                        }
                    ],
                }
            ]
        },
    }


WORDS = {
    "ar": ["المرأة في الفستان الأحمر تغني أغنية.", "يركض كلب عبر المرج 🐕.", "الطاهي يقطع الخضار في المطبخ."],
    "he": ["האישה בשמלה האדומה שרה שיר.", "כלב רץ באחו 🐕.", "הטבח חותך ירקות במטבח."],
    "ja": ["赤いドレスの女性が歌を歌っている。", "犬が草原を走っている🐕。", "料理人が台所で野菜を切っている。"],
    "th": ["ผู้หญิงในชุดสีแดงร้องเพลง", "สุนัขวิ่งข้ามทุ่งหญ้า 🐕", "พ่อครัวหั่นผักในครัว"],
    "de": [
        "Die Frau singt ein Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftslied.",
        "Ein Hund läuft über die Wiese 🐕.",
        "Der Koch schneidet Gemüse.",
    ],
}
"""Sentences from right to left, without spaces, with emoji and with a long word."""


def make_wide_run(folder: Path, pairs: list[str], settings: list[Any], seeds: int, *, corpus: int = 5000) -> Path:
    """A finished run of any size; its arms, as settings have them, are better the later they come, and pairs differ."""
    arms = [each if isinstance(each, str) else each["name"] for each in settings]
    data = folder.parent / f"data-of-{folder.name}"
    rows, comparisons = [], []
    for place, pair in enumerate(pairs):
        for code in pair.split("-"):
            lines = WORDS.get(code, ENGLISH[10:13])
            for part in ("train", "valid", "test"):
                write(data / f"{part}.{pair}.{code}", "".join(f"{line}\n" for line in lines))
        for number, arm in enumerate(arms):
            mean = 20.0 + place + (number * (1 + place % 3) - 1.5 if number else 0)
            gain = mean - 20.0 - place
            scores = [score("BLEU", mean + seed * 0.2) for seed in range(seeds)]
            row = {"pair": pair, "arm": arm, "updates": {"task": 40}, "minutes": 90.0, "bleu": scores}
            rows.append({**row, "chrf": [{**each, "metric": "chrF++", "value": each["value"] + 20} for each in scores]})
            if number:
                half = 0.6 + 0.3 * (place % 4)
                found = [
                    against(gain, 0.001 if abs(gain) > half else 0.4, (gain - half, gain + half), metric, mean - gain)
                    for metric in ("BLEU", "chrF++")
                ]
                comparisons.append((rows[-1], found))
            for seed in range(1, seeds + 1):
                trial = folder / pair / arm / f"seed{seed}"
                write(trial / "metrics.jsonl", "".join(f"{json.dumps(entry)}\n" for entry in curve(arm, -0.1 * number)))
                outputs = WORDS.get(pair.split("-")[1], ENGLISH[10:13])
                outputs = [outputs[0], outputs[number % 3], " ".join(outputs[2].split()[number:]) or outputs[0]]
                write(trial / "hypotheses.txt", "".join(f"{line}\n" for line in outputs))
    for (row, _), *found in zip(
        comparisons, *(decide([each[place] for _, each in comparisons]) for place in range(2)), strict=True
    ):
        row |= {"against_baseline": asdict(found[0]), "by_other_metrics": [asdict(found[1])]}
    for row in rows:
        row.setdefault("against_baseline", None)
    config = {
        "model": "facebook/mbart-large-50",
        "pairs": [
            dict(zip(("source", "target"), pair.split("-"), strict=True))
            | {part: f"{data}/{part}.{pair}.{{{pair.replace('-', ',')}}}" for part in ("train", "valid", "test")}
            for pair in pairs
        ],
        "arms": settings,
        "seeds": list(range(1, seeds + 1)),
        "training": {"updates": 40},
    }
    write(folder / "config.resolved.yaml", yaml.safe_dump(RunConfig.model_validate(config).model_dump(mode="json")))
    sizes = {"train": corpus, "valid": 3, "test": 3}
    corpora = {
        pair: {part: {"origin": f"{part}.{pair}", "pairs": size, "fingerprint": "aaaa"} for part, size in sizes.items()}
        for pair in pairs
    }
    manifest = {"versions": {"switchtune": "0.1.0"}, "corpora": corpora, "lexicons": {}}
    record = {"schema": SCHEMA, "baseline": arms[0], "seeds": config["seeds"], "rows": rows}
    for name, content in (("metrics.json", record), ("manifest.json", manifest)):
        write(folder / name, json.dumps(content, ensure_ascii=False))
    return folder
