"""The specification of one run, as the back end wrote it."""

import json

FORMAT = 1
MODES = ("boot", "prepare", "measure")
ISAS = ("x86_64", "arm64")


class Spec:
    """The fields of spec.json as attributes; platform stays a dictionary."""

    FIELDS = {
        "format": int,
        "mode": str,
        "isa": str,
        "kernel": str,
        "disk": str,
        "bootloader": str,  # Arm only, else empty
        "commandLine": str,
        "readfile": str,  # empty: the guest finds no job
        "restore": str,  # a checkpoint's directory; empty: boot
        "platform": dict,  # parameter to number or word
        "memory": int,  # bytes
        "detail": str,  # measure: "always", or "items" for work items only
        "functional": int,  # work items before the detail that is "always" begins
        "flush": list,  # structures emptied before every work item
        "count": int,  # work items wanted once settled; 0: whatever the guest does
        "settle": dict,  # when the items count: window, tolerance, least, most
        "itemLimit": int,  # ticks that one work item may take; 0: any
        "limit": int,  # ticks that the run may take; 0: any
    }

    def __init__(self, fields):
        for name, kind in self.FIELDS.items():
            if not isinstance(fields.get(name), kind):
                raise ValueError(f"spec: {name}: want a {kind.__name__}")
            setattr(self, name, fields[name])
        unknown = set(fields) - set(self.FIELDS)
        if unknown:
            raise ValueError(f"spec: unknown fields {sorted(unknown)}")
        if self.format != FORMAT:
            raise ValueError(f"spec: format {self.format}: want {FORMAT}")
        if self.mode not in MODES:
            raise ValueError(f"spec: mode {self.mode!r}: want one of {MODES}")
        if self.isa not in ISAS:
            raise ValueError(f"spec: isa {self.isa!r}: want one of {ISAS}")

    @property
    def detailed(self):
        """Whether the platform's own cores and caches are built."""
        return self.mode == "measure"

    def __getitem__(self, parameter):
        return self.platform[parameter]


def read(path):
    with open(path) as file:
        return Spec(json.load(file))
