"""Which of millions of texts have been met before, in few bytes for each."""

from array import array

import xxhash


def hash_of(text: str) -> int:
    """64 bits of a text."""
    return int(xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")))


class Seen:
    """64 bits of each text, in a table with 1.5 to 3 places for it: 12 to 24 bytes, where a set of digests takes 120.

    That any two of ten million texts have the same 64 bits has a probability of three in a million.
    """

    def __init__(self) -> None:
        self._places, self._count = array("Q", [0]) * 1024, 0

    def add(self, text: str) -> bool:
        """Add a text, and tell whether it is new."""
        number = hash_of(text) or 1  # 0: a free place
        place = self._place_of(number)
        if self._places[place]:
            return False
        self._places[place] = number
        self._count += 1
        if 3 * self._count > 2 * len(self._places):
            former, self._places = self._places, array("Q", [0]) * (2 * len(self._places))
            for each in former:
                if each:
                    self._places[self._place_of(each)] = each
        return True

    def _place_of(self, number: int) -> int:
        """Where a number stands, or else the free place for it."""
        places, last = self._places, len(self._places) - 1
        place = number & last
        while places[place] and places[place] != number:
            place = (place + 1) & last
        return place
