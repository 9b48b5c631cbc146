"""Reads counts from groups of statistics as gem5 nests them."""

import sys
import types
import unittest

m5 = types.ModuleType("m5")
m5.curTick = lambda: 0
sys.modules["m5"] = m5
sys.modules["cores"] = types.ModuleType("cores")
sys.modules["cores"].DETAILED = "detailed"
sys.modules["cores"].model_of = lambda spec, i: ("timing", "o3")[i]

import counters


class Info:
    def __init__(self, total):
        self.total = self.result = total
        self.prepared = 0

    def prepare(self):
        self.prepared += 1


class Group:
    """A group of statistics; whoever is asked for what is not there is told."""

    def __init__(self, stats, **children):
        self._stats = {name: Info(n) for name, n in stats.items()}
        self._groups = {
            name.replace("__", "."): child
            for name, child in children.items()
            if isinstance(child, Group)
        }
        vars(self).update(children)

    def getStatGroups(self):
        return self._groups

    def resolveStat(self, name):
        return self._stats[name]


def cpu(model):
    tlb = Group({"rdMisses": 1, "wrMisses": 2, "instMisses": 4, "readMisses": 8, "writeMisses": 16})
    return Group(
        {"numCycles": 100.0},
        commitStats0=Group({"numOps": 70, "numOpsNotNOP": 60}),
        commit=Group({"branchMispredicts": 3, "commitSquashedInsts": 5}),
        rename=Group(
            {"idleCycles": 10, "blockCycles": 20, "serializeStallCycles": 5, "squashCycles": 7, "runCycles": 40, "unblockCycles": 8}
        ),
        exec_context__thread_0=Group({"notIdleFraction": 0.25}),
        mmu=types.SimpleNamespace(itb=tlb, dtb=tlb, l2_shared=tlb),
        totalInsts=lambda: 50,
        clk_domain=types.SimpleNamespace(clock=[types.SimpleNamespace(getValue=lambda: 500)]),
    )


class Spec(dict):
    isa = "x86_64"


class CountersTest(unittest.TestCase):
    def counts(self, model, isa="x86_64"):
        spec = Spec()
        spec.isa = isa
        return counters.read(counters.core(spec, cpu(model), model))

    def test_out_of_order(self):
        counts = self.counts("o3")
        self.assertEqual(counts["cycles"], 100)
        self.assertEqual(counts["instructions"], 50)
        self.assertEqual(counts["micro_ops"], 60)
        self.assertEqual(counts["branch_mispredicts"], 3)
        parts = [counts[n + "_cycles"] for n in ("frontend", "backend", "squash", "run")]
        self.assertEqual(parts, [10, 25, 7, 48])
        self.assertEqual(counts["dtlb_misses"], 3)

    def test_arm_counts_page_walks(self):
        counts = self.counts("o3", "arm64")
        self.assertEqual(counts["itlb_misses"], 4)
        self.assertEqual(counts["dtlb_misses"], 24)
        self.assertEqual(counts["l2tlb_misses"], 28)

    def test_a_simple_core_is_busy_for_its_share_of_the_time(self):
        sources = counters.core(Spec(), cpu("timing"), "timing")
        m5.curTick = lambda: 1_000_000
        self.addCleanup(setattr, m5, "curTick", lambda: 0)
        self.assertEqual(sources["cycles"](), 1_000_000 // 4 // 500)
        self.assertEqual(sources["micro_ops"](), 70)

    def test_each_core_is_counted_as_its_model_counts(self):
        cpus = [cpu("timing"), cpu("o3")]
        level = Group({"demandMisses": 9})
        machine = types.SimpleNamespace(
            processor=types.SimpleNamespace(set_of=lambda name: cpus),
            hierarchy=types.SimpleNamespace(
                of_core=lambda i: dict.fromkeys(("l1i", "l1d", "l2"), level), last=lambda: None
            ),
        )
        (client, function), shared = counters.Counters(Spec(), machine).read()
        self.assertNotIn("branch_mispredicts", client)
        self.assertEqual(function["branch_mispredicts"], 3)
        self.assertEqual(client["l2_misses"], function["l2_misses"])
        self.assertEqual(shared, {})

    def test_every_count_is_a_whole_number(self):
        for model in ("o3", "minor", "timing"):
            for name, n in self.counts(model).items():
                self.assertIsInstance(n, int, name)

    def test_what_gem5_does_not_count_is_named(self):
        with self.assertRaisesRegex(KeyError, "counts no rename.naps"):
            counters.total(Group({}), "rename.naps")


if __name__ == "__main__":
    unittest.main()
