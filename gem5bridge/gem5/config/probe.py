"""Writes what this gem5 is to probe.json in the output directory."""

import json
import os

import m5
from _m5.core import gem5Version

from gem5.isas import ISA
from gem5.runtime import get_supported_isas

WORDS = {ISA.X86: "x86_64", ISA.ARM: "arm64"}


def ruby():
    # The name of the protocol is in the build's environment with Ruby only.
    from m5.defines import buildEnv

    return bool(buildEnv.get("PROTOCOL") or buildEnv.get("RUBY"))


def isas():
    """The standard library's enumeration does not compare across its copies."""
    supported = {isa.name for isa in get_supported_isas()}
    return sorted(word for isa, word in WORDS.items() if isa.name in supported)


with open(os.path.join(m5.options.outdir, "probe.json"), "w") as file:
    json.dump(
        {"version": str(gem5Version), "isas": isas(), "ruby": ruby()}, file
    )
