"""When work items begin to count: once their CPI has settled."""


class Settling:
    """The CPI of the function's core has settled when the median of the last
    `window` items is within `tolerance` of the median of as many before them, at
    the earliest after `least` items and at the latest after `most`."""

    def __init__(self, spec):
        self._window = spec.settle["window"]
        self._tolerance = spec.settle["tolerance"]
        self._least = spec.settle["least"]
        self._most = spec.settle["most"]
        self._cpis = []
        self.counted = 0  # items since it settled
        self.settled = self._most == 0
        self.cause = "asked" if self.settled else ""

    def add(self, cycles, instructions):
        """Takes in an item; returns whether it is the one that settles."""
        if self.settled:
            self.counted += 1
            return False
        self._cpis.append(cycles / max(instructions, 1))
        if len(self._cpis) >= self._least and self._flat():
            self.settled, self.cause = True, "test"
        elif len(self._cpis) >= self._most:
            self.settled, self.cause = True, "cap"
        return self.settled

    def _flat(self):
        window = self._window
        if len(self._cpis) < 2 * window:
            return False
        last = median(self._cpis[-window:])
        before = median(self._cpis[-2 * window : -window])
        return abs(last - before) <= self._tolerance * before


def median(values):
    return sorted(values)[(len(values) - 1) // 2]
