"""Runs the guest to the end of its mode and tells what happens on the way."""

import glob
import os
import time

import counters
import cores
import m5
import settle

BEAT = 1.0  # seconds of host time between signs of life
FIRST_SLICE = 10**7  # ticks; grows and shrinks to fit BEAT
# A guest that slept is busy in the next slice, so that none may grow for ever.
MAX_SLICE = 10**10
MAX_DETAILED_SLICE = 10**8

CHECKPOINT = "checkpoint"

# How gem5 names what ends m5.simulate, and what we call it.
ENDS = {
    "m5_exit instruction encountered": "exit",
    "m5_fail instruction encountered": "fail",
    "user interrupt received": "interrupt",
}
SLICE_OVER = "simulate() limit reached"

# By what the guest's records of work items are known; see images/guest/FORMAT.md.
RECORDS = "records-*"
MARK = '"marked":true'


class Run:
    def __init__(self, spec, machine, log):
        self._spec = spec
        self._machine = machine
        self._log = log
        self._counters = (
            counters.Counters(spec, machine) if spec.detailed else None
        )
        self._settling = settle.Settling(spec) if spec.detailed else None
        self._works = 0  # finished work items
        self._open = None  # the work item under way: (id, begin, counts)
        self._slice = FIRST_SLICE
        self._beaten = time.monotonic()

    def work(self):
        self._start()
        begun = m5.curTick()
        while True:
            ticks = self._bounded(begun)
            if ticks <= 0:
                return self._give_up()
            cause, code = self._simulate(ticks)
            if self._enough():
                return self._finish("enough", 0)
            if cause == SLICE_OVER:
                continue
            if cause == "workbegin":
                self._begin(code)
            elif cause == "workend":
                self._end(code)
            elif cause == CHECKPOINT:
                return self._checkpoint()
            else:
                return self._finish(ENDS.get(cause, cause), code)

    def _start(self):
        spec = self._spec
        active = self._machine.processor.active()
        self._log.write(
            "start",
            format=1,
            gem5=version(),
            isa=spec.isa,
            mode=spec.mode,
            period=active[0].clk_domain.clock[0].getValue(),
        )
        if not spec.detailed:
            return
        # What is restored can be drained, and so switched, once it has run.
        m5.simulate(1)
        # A checkpoint keeps what the functional TLBs knew.
        for cpu in active:
            cpu.flushTLBs()
        self._detail_if_due()

    def _bounded(self, begun):
        """The ticks until something is due."""
        ticks = self._slice
        if self._spec.limit:
            ticks = min(ticks, begun + self._spec.limit - m5.curTick())
        if self._spec.itemLimit and self._open:
            due = self._open[1] + self._spec.itemLimit
            ticks = min(ticks, due - m5.curTick())
        return ticks

    def _simulate(self, ticks):
        before, begun = m5.curTick(), time.monotonic()
        event = m5.simulate(ticks)
        now = time.monotonic()
        passed = m5.curTick() - before
        if event.getCause() == SLICE_OVER and ticks == self._slice:
            fit = BEAT / max(now - begun, 1e-3)
            self._slice = int(passed * min(max(fit, 0.25), 4))
            self._slice = min(max(self._slice, FIRST_SLICE), self._most())
        if now - self._beaten >= BEAT:
            self._beat(now)
        return event.getCause(), event.getCode()

    def _beat(self, now):
        self._beaten = now
        self._log.write(
            "beat",
            instructions=self._machine.processor.instructions(),
            works=self._works,
        )

    def _begin(self, identity):
        if self._spec.mode != "measure":
            return
        if self._works == 0 and self._settling.settled:
            self._log.write("settled", works=0, cause=self._settling.cause)
        if self._spec.detail == "items":
            self._switch(True)
        self._flush()
        self._log.write("begin", id=identity)
        self._open = (identity, m5.curTick(), self._counters.read())

    def _end(self, identity):
        if self._open is None or self._open[0] != identity:
            if self._spec.mode != "measure":
                return
            raise RuntimeError(f"work item {identity} ends that never began")
        counts = self._tell("work")
        self._works += 1
        function = counts[cores.FUNCTION]
        if self._settling.add(function["cycles"], function["instructions"]):
            self._log.write(
                "settled", works=self._works, cause=self._settling.cause
            )
        if self._spec.detail == "items":
            self._switch(False)
        self._detail_if_due()

    def _detail_if_due(self):
        """Detail that lasts begins once enough items have run without."""
        lasts = self._spec.detail == "always"
        if lasts and self._works == self._spec.functional:
            self._switch(True)

    def _enough(self):
        """Whether all items that are wanted are done and the guest, which checks
        replies after the item, has told of the last."""
        if not self._spec.count or self._spec.mode != "measure":
            return False
        if self._settling.counted < self._spec.count:
            return False
        self._slice = MAX_DETAILED_SLICE
        told = 0
        for path in glob.glob(os.path.join(m5.options.outdir, RECORDS)):
            with open(path, errors="replace") as file:
                told += file.read().count(MARK)
        return told >= self._works

    def _tell(self, event):
        """Writes the open work item, as far as it is, and closes it."""
        identity, begin, (before, shared) = self._open
        self._open = None
        after, shared_after = self._counters.read()
        counts = [difference(a, b) for a, b in zip(after, before)]
        self._log.write(
            event,
            id=identity,
            n=self._works,
            begin=begin,
            end=m5.curTick(),
            cores=counts,
            shared=difference(shared_after, shared),
        )
        return counts

    def _give_up(self):
        if self._open is None:
            return self._finish("limit", 0)
        self._tell("overdue")
        return self._finish("overdue", 0)

    def _switch(self, to_detail):
        self._machine.processor.switch(to_detail)
        self._slice = FIRST_SLICE

    def _most(self):
        detailed = self._machine.processor.in_detail()
        return MAX_DETAILED_SLICE if detailed else MAX_SLICE

    def _flush(self):
        """Empties structures of the function's core, writing back what is dirty."""
        wanted = set(self._spec.flush)
        if not wanted:
            return
        function = cores.FUNCTION
        hierarchy = self._machine.hierarchy
        caches = dict(hierarchy.of_core(function))
        if hierarchy.last() is not None:
            caches["l3"] = hierarchy.last()
        m5.drain()
        for name, cache in caches.items():
            if name in wanted:
                cache.memWriteback()
                cache.memInvalidate()
        cpu = self._machine.processor.active()[function]
        if "tlb" in wanted:
            cpu.flushTLBs()
        if "btb" in wanted:
            cpu.branchPred.btb.memInvalidate()

    def _checkpoint(self):
        if self._spec.mode == "measure":
            raise RuntimeError("a measured guest asked for a checkpoint")
        path = os.path.join(m5.options.outdir, CHECKPOINT)
        m5.checkpoint(path + ".part")
        os.rename(path + ".part", path)
        self._log.write(CHECKPOINT)
        self._finish(CHECKPOINT, 0)

    def _finish(self, cause, code):
        self._beat(time.monotonic())
        self._log.write("end", cause=cause, code=code, works=self._works)


def difference(after, before):
    return {name: after[name] - before[name] for name in after}


def version():
    from _m5.core import gem5Version

    return str(gem5Version)
