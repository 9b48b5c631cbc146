"""What is counted around a work item, by names that mean the same on every model."""

import cores
import m5


class Counters:
    """Reads the detailed cores' statistics. Who wants a difference reads twice."""

    def __init__(self, spec, machine):
        hierarchy = machine.hierarchy
        self._cores = []
        for i, cpu in enumerate(machine.processor.set_of(cores.DETAILED)):
            sources = core(spec, cpu, cores.model_of(spec, i))
            for name in ("l1i", "l1d", "l2"):
                sources[name + "_misses"] = total(
                    hierarchy.of_core(i)[name], "demandMisses"
                )
            self._cores.append(sources)
        self._shared = {}
        if hierarchy.last() is not None:
            self._shared["llc_misses"] = total(
                hierarchy.last(), "demandMisses"
            )

    def read(self):
        return (
            [read(sources) for sources in self._cores],
            read(self._shared),
        )


def read(sources):
    return {name: source() for name, source in sources.items()}


def core(spec, cpu, model):
    sources = {
        "cycles": busy(cpu) if model == "timing" else total(cpu, "numCycles"),
        "instructions": lambda: int(cpu.totalInsts()),
        "micro_ops": total(
            cpu,
            # The out-of-order model counts the other one no more.
            "commitStats0.numOpsNotNOP" if model == "o3" else "commitStats0.numOps",
        ),
    }
    if model == "o3":
        sources["branch_mispredicts"] = total(cpu, "commit.branchMispredicts")
        sources["squashed_ops"] = total(cpu, "commit.commitSquashedInsts")
        # Every busy cycle of the rename stage is one of these: where slots go.
        for name, of in {
            "frontend": ["idleCycles"],
            "backend": ["blockCycles", "serializeStallCycles"],
            "squash": ["squashCycles"],
            "run": ["runCycles", "unblockCycles"],
        }.items():
            sources[name + "_cycles"] = total(
                cpu, *["rename." + stat for stat in of]
            )
    tlb(spec, cpu.mmu, sources)
    return sources


def tlb(spec, mmu, sources):
    if spec.isa == "x86_64":
        for name, unit in (("itlb", mmu.itb), ("dtlb", mmu.dtb)):
            sources[name + "_misses"] = total(unit, "rdMisses", "wrMisses")
        return
    sources["itlb_misses"] = total(mmu.itb, "instMisses")
    sources["dtlb_misses"] = total(mmu.dtb, "readMisses", "writeMisses")
    sources["l2tlb_misses"] = total(
        mmu.l2_shared, "instMisses", "readMisses", "writeMisses"
    )


def total(group, *names):
    """The sum of statistics, which must all be there."""
    infos = [resolve(group, name) for name in names]

    def value():
        for info in infos:
            info.prepare()
        return round(sum(info.total for info in infos))

    return value


def busy(cpu):
    """Cycles in which a simple core was not asleep: its share of the time since
    the statistics began, which is an average, times that time."""
    info = resolve(cpu, "exec_context.thread_0.notIdleFraction")
    begun = m5.curTick()
    period = cpu.clk_domain.clock[0].getValue()

    def value():
        info.prepare()
        return round(info.result * (m5.curTick() - begun) / period)

    return value


def resolve(group, name):
    """The statistic of that name. Names of groups may hold dots themselves."""
    for prefix, inner in group.getStatGroups().items():
        if name.startswith(prefix + "."):
            return resolve(inner, name[len(prefix) + 1 :])
    try:
        return group.resolveStat(name)
    except KeyError:
        raise KeyError(
            f"gem5 counts no {name}: this version of gem5 is not known"
        ) from None
