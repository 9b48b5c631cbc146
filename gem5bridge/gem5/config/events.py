"""The events of one run, a JSON object a line; see FORMAT.md."""

import json
import os

import m5


class Writer:
    """Writes events into a file of the output directory, each at once."""

    def __init__(self, name):
        self._path = os.path.join(m5.options.outdir, name)
        self._file = None
        self._line = 0

    def __enter__(self):
        self._file = open(self._path, "w")
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, event, **fields):
        record = {"line": self._line, "event": event, "tick": m5.curTick()}
        record.update(fields)
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
        self._file.flush()
        self._line += 1
