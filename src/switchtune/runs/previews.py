"""What a model is given in a stage, as text for people: special tokens included."""

from collections.abc import Callable, Collection

from switchtune.corpus.control import shown
from switchtune.examples import Example, Examples
from switchtune.models.layout import Layout


def stage_preview(
    heading: str,
    kinds: Collection[tuple[str, Examples]],
    lines_of: Callable[[Example, int], list[str]],
    *,
    rows: int,
) -> str:
    """The first examples of each kind of a stage, each with the lines that an example and its index get."""
    lines = [heading]
    for kind, examples in kinds:
        named = [f"  kind            {kind}"] if len(kinds) > 1 else []
        for index in range(min(rows, examples.count)):
            lines += ["", *named, *lines_of(examples.make(0, index), index)]
    return "\n".join(lines) + "\n"


def sequence_lines(layout: Layout, max_tokens: int, example: Example, index: int) -> list[str]:
    """An example of any index as text and as the model takes it."""
    texts = [f"  source text     {shown(example.source)}", f"  target text     {example.target}"]
    return [*texts, *given_lines(layout, max_tokens, example)]


def given_lines(layout: Layout, max_tokens: int, example: Example) -> tuple[str, str, str]:
    """An example as the model takes it: encoder input, labels, decoder input."""
    ids = layout.encode(example, max_tokens=layout.fitting(max_tokens))
    return (
        f"  encoder input   {' '.join(layout.tokens(ids.input_ids))}",
        f"  labels          {' '.join(layout.tokens(ids.labels))}",
        f"  decoder input   {' '.join(layout.tokens(ids.decoder_input_ids))}",
    )
