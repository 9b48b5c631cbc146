"""Runs the scripts' loop over a gem5 that is a script of exits."""

import json
import os
import sys
import tempfile
import types
import unittest

m5 = types.ModuleType("m5")
m5.options = types.SimpleNamespace(outdir="")
sys.modules["m5"] = m5
sys.modules["_m5"] = types.ModuleType("_m5")
sys.modules["_m5.core"] = types.ModuleType("_m5.core")
sys.modules["_m5.core"].gem5Version = "24.0.0.1"
for name, content in {
    "cores": {"FUNCTION": 1},
    "counters": {"Counters": None},
}.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)

import events
import run
import settle
import spec


class Gem5:
    """Plays a list of (tick, cause, code), each the next exit."""

    def __init__(self, exits):
        self.tick = 0
        self.exits = list(exits)
        self.drains = 0
        self.ticks = []  # of every slice asked for
        m5.curTick = lambda: self.tick
        m5.simulate = self.simulate
        m5.checkpoint = lambda path: os.makedirs(path)
        m5.drain = self.drain

    def drain(self):
        self.drains += 1

    def simulate(self, ticks):
        self.ticks.append(ticks)
        if not self.exits:
            raise AssertionError("it goes on after the last exit")
        at, cause, code = self.exits[0]
        if self.tick + ticks < at or ticks == 1:
            self.tick += ticks
            return Exit(run.SLICE_OVER, 0)
        self.exits.pop(0)
        self.tick = at
        if callable(code):
            code = code()
        return Exit(cause, code)


class Exit:
    def __init__(self, cause, code):
        self.getCause = lambda: cause
        self.getCode = lambda: code


class CPU:
    def __init__(self):
        clock = types.SimpleNamespace(getValue=lambda: 333)
        self.clk_domain = types.SimpleNamespace(clock=[clock])
        self.flushed = 0

    def flushTLBs(self):
        self.flushed += 1


class Cache:
    def __init__(self):
        self.did = []

    def memWriteback(self):
        self.did.append("write back")

    def memInvalidate(self):
        self.did.append("invalidate")


class Machine:
    def __init__(self):
        self.cpus = [CPU(), CPU()]
        self.caches = {name: Cache() for name in ("l1i", "l1d", "l2")}
        self.l3 = Cache()
        self.switches = []
        self.processor = types.SimpleNamespace(
            active=lambda: self.cpus,
            instructions=lambda: [10, 20],
            switch=self.switches.append,
            in_detail=lambda: bool(self.switches and self.switches[-1]),
        )
        self.hierarchy = types.SimpleNamespace(
            of_core=lambda i: self.caches, last=lambda: self.l3
        )


class Counters:
    """Counts a cycle a thousand ticks on either core."""

    def __init__(self, *_):
        pass

    def read(self):
        now = m5.curTick()
        counts = {"cycles": now // 1000, "instructions": now // 2000}
        return [dict(counts), dict(counts)], {"llc_misses": now}


sys.modules["counters"].Counters = Counters

SETTLED = {"window": 3, "tolerance": 0.05, "least": 0, "most": 0}
ITEM = 40_000_000


def wanted(**fields):
    whole = {
        "format": 1, "mode": "measure", "isa": "x86_64", "kernel": "k",
        "disk": "d", "bootloader": "", "commandLine": "", "readfile": "",
        "restore": "", "platform": {}, "memory": 1, "detail": "always",
        "functional": 0, "flush": [], "count": 0, "settle": SETTLED, "itemLimit": 0, "limit": 0,
    }
    whole.update(fields)
    return spec.Spec(whole)


def item(begin, identity=1, takes=ITEM):
    return [(begin, "workbegin", identity), (begin + takes, "workend", identity)]


def over(at):
    return [(at, "m5_exit instruction encountered", 0)]


class RunTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        m5.options.outdir = self.folder.name
        self.machine = Machine()

    def play(self, exits, **fields):
        self.gem5 = Gem5(exits)
        with events.Writer("events.jsonl") as log:
            run.Run(wanted(**fields), self.machine, log).work()
        with open(os.path.join(self.folder.name, "events.jsonl")) as file:
            told = [json.loads(line) for line in file]
        self.assertEqual([e["line"] for e in told], list(range(len(told))))
        self.assertEqual(told[0]["event"], "start")
        self.assertEqual(told[-1]["event"], "end")
        self.assertEqual(told, sorted(told, key=lambda e: e["tick"]))
        return told

    def kinds(self, told):
        return [e["event"] for e in told if e["event"] != "beat"]

    def record(self, marked):
        path = os.path.join(self.folder.name, "records-1")
        with open(path, "a") as file:
            file.write('@microcosm 0 {"marked":true}\n' * marked)

    def test_boot_ends_with_its_checkpoint(self):
        told = self.play([(10**9, "checkpoint", 0)], mode="boot")
        self.assertEqual(self.kinds(told), ["start", "checkpoint", "end"])
        self.assertEqual(told[-1]["cause"], "checkpoint")
        self.assertTrue(os.path.isdir(os.path.join(self.folder.name, "checkpoint")))
        self.assertEqual(self.machine.switches, [])

    def test_prepare_ignores_work_items(self):
        told = self.play(
            item(10**8) + [(10**9, "checkpoint", 0)], mode="prepare"
        )
        self.assertEqual(self.kinds(told), ["start", "checkpoint", "end"])

    def test_items_are_told_with_differences(self):
        told = self.play(item(10**8, 2) + item(2 * 10**8) + over(10**9))
        works = [e for e in told if e["event"] == "work"]
        self.assertEqual([(w["id"], w["n"]) for w in works], [(2, 0), (1, 1)])
        for work in works:
            self.assertEqual(work["end"] - work["begin"], ITEM)
            self.assertEqual(work["cores"][1]["cycles"], ITEM // 1000)
            self.assertEqual(work["shared"]["llc_misses"], ITEM)
        self.assertEqual(told[-1]["cause"], "exit")
        self.assertEqual(told[-1]["works"], 2)

    def test_restored_cores_run_before_they_are_switched(self):
        self.play(over(10**9))
        self.assertEqual(self.gem5.ticks[0], 1)
        self.assertEqual(self.machine.switches, [True])
        self.assertEqual([cpu.flushed for cpu in self.machine.cpus], [1, 1])

    def test_detail_begins_after_functional_items(self):
        items = item(10**8) + item(2 * 10**8) + item(3 * 10**8)
        for functional, tick in ((0, 1), (1, 10**8 + ITEM), (2, 2 * 10**8 + ITEM)):
            machine = self.machine = Machine()
            at = []
            machine.processor.switch = lambda to: (machine.switches.append(to), at.append(m5.curTick()))
            told = self.play(items + over(10**9), functional=functional)
            self.assertEqual((machine.switches, at), ([True], [tick]), functional)
            self.assertEqual(len([e for e in told if e["event"] == "work"]), 3)

    def test_detail_for_items_only(self):
        self.play(item(10**8) + item(2 * 10**8) + over(10**9), detail="items")
        self.assertEqual(self.machine.switches, [True, False, True, False])

    def test_enough_waits_for_the_guests_record(self):
        begins = item(2 * 10**8)

        def recorded():
            self.record(2)
            return 1

        exits = item(10**8) + begins + [(10**9, "workbegin", recorded)]
        told = self.play(exits + item(2 * 10**9)[1:], count=2)
        self.assertEqual(told[-1]["cause"], "enough")
        self.assertEqual(told[-1]["works"], 2)
        self.assertEqual(self.gem5.tick, 10**9)

    def test_an_overdue_item_ends_the_run(self):
        told = self.play(
            [(10**8, "workbegin", 1), (10**12, "workend", 1)], itemLimit=10**9
        )
        self.assertEqual(self.kinds(told)[-2:], ["overdue", "end"])
        overdue = [e for e in told if e["event"] == "overdue"][0]
        self.assertEqual(overdue["end"] - overdue["begin"], 10**9)
        self.assertEqual(told[-1]["cause"], "overdue")

    def test_the_runs_own_limit(self):
        told = self.play(over(10**12), limit=10**9)
        self.assertEqual(told[-1]["cause"], "limit")
        self.assertLessEqual(told[-1]["tick"], 10**9 + 1)

    def test_causes_of_the_end(self):
        for cause, word, code in (
            ("m5_fail instruction encountered", "fail", 1),
            ("user interrupt received", "interrupt", 0),
            ("something new", "something new", 3),
        ):
            told = self.play([(10**8, cause, code)])
            self.assertEqual((told[-1]["cause"], told[-1]["code"]), (word, code))

    def test_an_end_without_a_beginning_is_a_fault(self):
        with self.assertRaisesRegex(RuntimeError, "never began"):
            self.play([(10**8, "workend", 1)])

    def test_a_measured_guest_takes_no_checkpoint(self):
        with self.assertRaisesRegex(RuntimeError, "checkpoint"):
            self.play([(10**8, "checkpoint", 0)])

    def test_flushed_structures(self):
        self.play(item(10**8) + over(10**9), flush=["l1i", "l3", "tlb"])
        both = ["write back", "invalidate"]
        self.assertEqual(self.machine.caches["l1i"].did, both)
        self.assertEqual(self.machine.l3.did, both)
        self.assertEqual(self.machine.caches["l2"].did, [])
        self.assertEqual([cpu.flushed for cpu in self.machine.cpus], [1, 2])
        self.assertEqual(self.gem5.drains, 1)

    def test_items_count_once_settled(self):
        rule = {"window": 1, "tolerance": 0.05, "least": 2, "most": 9}
        exits = [e for n in range(1, 4) for e in item(n * 10**8)]
        told = self.play(exits + over(10**9), settle=rule)
        self.assertEqual(
            self.kinds(told)[1:],
            ["begin", "work", "begin", "work", "settled", "begin", "work", "end"],
        )


class SettlingTest(unittest.TestCase):
    def settle(self, cpis, **rule):
        whole = {"window": 3, "tolerance": 0.05, "least": 4, "most": 12}
        whole.update(rule)
        settling = settle.Settling(types.SimpleNamespace(settle=whole))
        for n, cpi in enumerate(cpis, 1):
            if settling.add(cpi * 1000, 1000):
                return n, settling.cause
        return None, settling.cause

    def test_a_flat_series_settles_after_two_windows(self):
        self.assertEqual(self.settle([1.0] * 20), (6, "test"))

    def test_a_falling_series_settles_when_it_is_flat(self):
        series = [5, 3, 2, 1.5, 1.2] + [1.0] * 20
        n, cause = self.settle(series)
        self.assertEqual(cause, "test")
        self.assertEqual(n, 10)

    def test_what_never_settles_is_capped(self):
        self.assertEqual(self.settle([1, 9] * 20, window=1), (12, "cap"))

    def test_not_before_the_least(self):
        self.assertEqual(self.settle([1.0] * 20, window=1), (4, "test"))

    def test_asked_from_the_first_on(self):
        self.assertEqual(self.settle([5, 4, 3], most=0), (None, "asked"))


class SpecTest(unittest.TestCase):
    def test_mistakes(self):
        for change, text in (
            ({"format": 2}, "format 2"),
            ({"mode": "run"}, "mode"),
            ({"isa": "mips"}, "isa"),
            ({"count": "two"}, "count: want a int"),
            ({"colour": 1}, "unknown fields"),
        ):
            with self.assertRaisesRegex(ValueError, text):
                wanted(**change)


if __name__ == "__main__":
    unittest.main()
