"""What the terms of a report mean, told where they first stand."""

from collections.abc import Mapping

METRICS: Mapping[str, str] = {
    "BLEU": "how many words, and sequences of up to four, an output has in common with the reference, from 0 to 100",
    "chrF++": "how many sequences of characters and words an output has in common with the reference, from 0 to 100",
    "ROUGE-1": "how many words a summary has in common with the reference, from 0 to 100",
    "ROUGE-2": "how many pairs of words a summary has in common with the reference, from 0 to 100",
    "ROUGE-L": "how long a sequence of words a summary has in common with the reference, from 0 to 100",
    "accuracy": "the share of examples with the right label",
    "in-language": "the share of outputs that are in the language asked for, according to a language identifier",
    "in-script": "the share of outputs that are in the script of the language asked for",
}
