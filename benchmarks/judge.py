"""Does the judge tell how much of what switching draws is right? Aligned lexicons with a known part of them spoiled.

    python benchmarks/judge.py ../shared/data

A lexicon of each direction is aligned from the training pairs; then the translations of a share of its entries are
shuffled among these: of the most frequent, of the middling, of the rarest, or of any. What is right is the share of the
validation text's running words with an entry that draw a translation of the unspoiled lexicon. Beside it stand what the
judge takes that share to be, and its verdict.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from lexicon_precision import read_text
from record import RESULTS, machine

from switchtune.config.lexicon import LexiconSettings
from switchtune.files import write_json
from switchtune.lexicon.build import build
from switchtune.lexicon.judge import judge
from switchtune.lexicon.records import Lexicon
from switchtune.lexicon.text import Vocabulary

SHARES = {
    "any": (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.85, 1.0),
    "frequent": (0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5),
    "middling": (0.25, 0.5, 0.75),
    "rare": (0.25, 0.5, 0.75),
}


def spoiled(lexicon: Lexicon, share: float, band: str, rng: np.random.Generator) -> Lexicon:
    """The lexicon with the translations of a share of its entries shuffled among these."""
    keys = sorted(lexicon.entries, key=lambda key: (-lexicon.entries[key].count, key))
    size = round(share * len(keys))
    start = {"frequent": 0, "middling": (len(keys) - size) // 2, "rare": len(keys) - size}
    rows = rng.permutation(len(keys))[:size] if band == "any" else np.arange(size) + start[band]
    entries = dict(lexicon.entries)
    for row, other in zip(rows.tolist(), rng.permutation(rows).tolist(), strict=True):
        entries[keys[row]] = replace(entries[keys[row]], translations=lexicon.entries[keys[other]].translations)
    return replace(lexicon, entries=entries)


def right_draws(lexicon: Lexicon, sound: Lexicon, vocabulary: Vocabulary) -> float:
    """Share of the running words with an entry that draw one of the sound lexicon's translations."""
    running, right = 0, 0.0
    for key, count in zip(vocabulary.index, vocabulary.counts.tolist(), strict=True):
        if key in sound.entries:
            good = {translation.word for translation in sound.entries[key].translations}
            running += count
            right += count * float(np.mean([each.word in good for each in lexicon.entries[key].translations]))
    return right / running


def rows_of(data: Path, pair: str, seed: int) -> Iterator[dict[str, object]]:
    """Spoiled lexicons of both directions of a pair, and what the judge says of them."""
    held_out = read_text(data, pair, "valid")
    both = build(read_text(data, pair, "train"), LexiconSettings(method="align", seed=seed)).lexicons
    rng = np.random.default_rng(seed)
    cases = [("none", 0.0), *((band, share) for band, shares in SHARES.items() for share in shares)]
    for sound, side in zip(both, held_out.encoded, strict=True):
        lexicons = [spoiled(sound, share, "any" if band == "none" else band, rng) for band, share in cases]
        judgement = judge(lexicons, *held_out.encoded, held_out.languages)
        for (band, share), lexicon, found in zip(cases, lexicons, judgement.directions, strict=True):
            yield {
                "direction": f"{found.source}-{found.target}",
                "band": band,
                "spoiled": share,
                "right": right_draws(lexicon, sound, side.vocabulary),
                "judged": found.right,
                "lift": found.lift,
                "yardstick": found.yardstick,
                "verdict": found.verdict,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", nargs="+", default=["de-en", "tr-en", "zh-en", "it-en", "ja-en", "vi-en"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "judge.json")
    asked = parser.parse_args()
    rows = []
    for pair in asked.pairs:
        for row in rows_of(asked.data, pair, asked.seed):
            rows.append(row)
            print(
                f"{row['direction']}  {row['band']:<9}{row['spoiled']:>7.1%}  right {row['right']:>6.1%}"
                f"  judged {row['judged']:>6.1%}  {row['verdict']}",
                flush=True,
            )
    error = [abs(float(row["right"]) - float(row["judged"])) for row in rows]  # type: ignore[arg-type]
    print(f"{len(rows)} lexicons; judged and right differ by {np.mean(error):.3f} on average, {max(error):.3f} at most")
    write_json(asked.out, {"machine": machine("numpy", "numba"), "seed": asked.seed, "rows": rows})


if __name__ == "__main__":
    main()
