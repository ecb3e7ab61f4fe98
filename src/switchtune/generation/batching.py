"""What a search gives back, whatever the engine."""

from typing import TypeAlias

Outputs: TypeAlias = list[tuple[int, list[int]]]
"""What a batch came to: the place of each source and its output in ids, from after the decoder start to the end of the
sentence (where it came to one)."""
