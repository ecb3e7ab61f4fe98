"""Makes vecmap.npz: python vecmap_make.py FOLDER_OF_VECMAP (a checkout of artetxem/vecmap; see vecmap.md)."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

DIMENSIONS = 10
WORDS = {"source": 110, "target": 100}
NUMERALS = 15
SEED_PAIRS = 30
VARIANTS = {
    "orthogonal": "--orthogonal --init_numerals --self_learning --normalize unit center --stochastic_initial 1.0",
    "supervised": "--supervised {dictionary}",
    "semi_supervised": "--semi_supervised {dictionary} --stochastic_initial 1.0",
    "unsupervised": "--unsupervised --stochastic_initial 1.0",
    "reduced": "--supervised {dictionary} --dim_reduction 6",
}


def vectors(rng):
    """Two spaces that a turn makes alike but for noise; the first words of both sides mean the same."""
    spread = np.linspace(1.5, 0.5, DIMENSIONS)
    source = rng.standard_normal((WORDS["source"], DIMENSIONS)) * spread + 0.3
    turn = np.linalg.qr(rng.standard_normal((DIMENSIONS, DIMENSIONS)))[0]
    noise = rng.standard_normal((WORDS["target"], DIMENSIONS))
    target = (source[: WORDS["target"]] + 0.3 * noise) @ turn
    return source.round(4).astype(np.float32), target.round(4).astype(np.float32)


def words(side):
    numerals = [str(number) for number in range(NUMERALS)]
    return numerals + [f"{side}{place}" for place in range(NUMERALS, WORDS[side])]


def write_vectors(path, names, matrix):
    rows = [f"{name} " + " ".join(f"{value:.4f}" for value in row) for name, row in zip(names, matrix, strict=True)]
    path.write_text(f"{len(matrix)} {matrix.shape[1]}\n" + "\n".join(rows) + "\n")


def read_vectors(path):
    return np.loadtxt(
        path, skiprows=1, usecols=range(1, len(path.read_text().split("\n")[1].split())), dtype=np.float32
    )


def main():
    source, target = vectors(np.random.default_rng(7))
    arrays = {"source": source, "target": target, "seed_pairs": np.arange(NUMERALS, NUMERALS + SEED_PAIRS)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_vectors(folder / "x", words("source"), source)
        write_vectors(folder / "z", words("target"), target)
        pairs = [f"source{place} target{place}\n" for place in arrays["seed_pairs"]]
        (folder / "dictionary").write_text("".join(pairs))
        for variant, flags in VARIANTS.items():
            paths = [str(folder / path) for path in ("x", "z", "mapped_x", "mapped_z")]
            options = flags.format(dictionary=folder / "dictionary").split()
            subprocess.run([sys.executable, "map_embeddings.py", *paths, *options], cwd=sys.argv[1], check=True)
            arrays[f"{variant}_source"] = read_vectors(folder / "mapped_x")
            arrays[f"{variant}_target"] = read_vectors(folder / "mapped_z")
    np.savez_compressed(Path(__file__).with_name("vecmap.npz"), **arrays)


if __name__ == "__main__":
    main()
