"""Runs one guest for the gem5 back end: gem5 --outdir=OUT main.py OUT/spec.json

What is read and written is described in gem5bridge/gem5/FORMAT.md.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compat  # first: it makes the standard library fit for builds without Ruby

compat.allow_builds_without_ruby()

import board
import events
import run
import spec


def main(arguments):
    if len(arguments) != 2:
        sys.exit("want one argument: the specification's path")
    wanted = spec.read(arguments[1])
    with events.Writer("events.jsonl") as log:
        machine = board.build(wanted)
        run.Run(wanted, machine, log).work()


main(sys.argv)
