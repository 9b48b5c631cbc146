"""The cores: a fast functional set that boots and warms, and the platform's."""

import m5
from m5 import objects

from gem5.components.boards.mem_mode import MemMode
from gem5.components.processors.base_cpu_core import BaseCPUCore
from gem5.components.processors.switchable_processor import SwitchableProcessor
from gem5.isas import ISA

CORES = 2  # the client's and the function's
CLIENT, FUNCTION = range(CORES)

FUNCTIONAL = "cores"
DETAILED = "detailed"

O3 = {
    "width.fetch": ["fetchWidth"],
    "width.decode": ["decodeWidth"],
    "width.rename": ["renameWidth"],
    "width.dispatch": ["dispatchWidth"],
    "width.issue": ["issueWidth"],
    "width.writeback": ["wbWidth"],
    "width.commit": ["commitWidth"],
    "width.squash": ["squashWidth"],
    "delay.fetch_to_decode": ["fetchToDecodeDelay"],
    "delay.decode_to_rename": ["decodeToRenameDelay"],
    "delay.rename_to_issue": ["renameToIEWDelay"],
    "delay.issue_to_execute": ["issueToExecuteDelay"],
    "delay.execute_to_commit": ["iewToCommitDelay"],
    "queue.rob": ["numROBEntries"],
    "queue.issue": ["numIQEntries"],
    "queue.loads": ["LQEntries"],
    "queue.stores": ["SQEntries"],
    "queue.fetch": ["fetchQueueSize"],
    "queue.fetch_buffer": ["fetchBufferSize"],
    "registers.integer": ["numPhysIntRegs"],
    "registers.float": ["numPhysFloatRegs"],
    "registers.vector": ["numPhysVecRegs"],
    "units.load": ["cacheLoadPorts"],
    "units.store": ["cacheStorePorts"],
}

PREDICTORS = {
    "local": "LocalBP",
    "bimode": "BiModeBP",
    "tournament": "TournamentBP",
    "ltage": "LTAGE",
    "tage-sc-l-8KB": "TAGE_SC_L_8KB",
    "tage-sc-l-64KB": "TAGE_SC_L_64KB",
}

PREFIX = {"x86_64": "X86", "arm64": "Arm"}
ISAS = {"x86_64": ISA.X86, "arm64": ISA.ARM}
MODELS = {"o3": "O3CPU", "minor": "MinorCPU", "timing": "TimingSimpleCPU"}


class Processor(SwitchableProcessor):
    """Starts with the functional cores, whose names are the same in every run, so
    that a checkpoint fits all."""

    def __init__(self, spec):
        sets = {FUNCTIONAL: [functional(spec, i) for i in range(CORES)]}
        if spec.detailed:
            sets[DETAILED] = [detailed(spec, i) for i in range(CORES)]
        super().__init__(switchable_cores=sets, starting_cores=FUNCTIONAL)

    def incorporate_processor(self, board):
        super().incorporate_processor(board)
        board.set_mem_mode(MemMode.ATOMIC)

    def in_detail(self):
        return self._current_cores is self._switchable_cores.get(DETAILED)

    def switch(self, to_detail):
        if self.in_detail() != to_detail:
            self.switch_to_processor(DETAILED if to_detail else FUNCTIONAL)

    def active(self):
        return [core.get_simobject() for core in self._current_cores]

    def set_of(self, name):
        return [c.get_simobject() for c in self._switchable_cores.get(name, [])]

    def instructions(self):
        """Committed so far by each core, whichever model it was."""
        return [
            sum(int(cpus[i].totalInsts()) for cpus in self._sets())
            for i in range(CORES)
        ]

    def _sets(self):
        return [self.set_of(name) for name in self._switchable_cores]


def model_of(spec, i):
    """The model of detailed core i: the client, which is not measured, may have
    the faster one."""
    model = spec["core.model"]
    if i == FUNCTION or model == "timing":
        return model
    client = spec["client.model"]
    return model if client == "same" else client


def functional(spec, i):
    cpu = getattr(objects, PREFIX[spec.isa] + "AtomicSimpleCPU")(cpu_id=i)
    return BaseCPUCore(cpu, ISAS[spec.isa])


def detailed(spec, i):
    model = model_of(spec, i)
    cpu = getattr(objects, PREFIX[spec.isa] + MODELS[model])(cpu_id=i)
    if model == "o3":
        for parameter, names in O3.items():
            for name in names:
                setattr(cpu, name, spec[parameter])
        cpu.fuPool = units(spec)
    if model in ("o3", "minor"):
        cpu.branchPred = predictor(spec)
    tlbs(spec, cpu.mmu)
    return BaseCPUCore(cpu, ISAS[spec.isa])


def tlbs(spec, mmu):
    mmu.itb.size = spec["itlb.entries"]
    mmu.dtb.size = spec["dtlb.entries"]
    if spec.isa == "arm64":
        mmu.l2_shared.size = spec["l2tlb.entries"]


def predictor(spec):
    unit = getattr(objects, PREDICTORS[spec["predictor.direction"]])()
    shift = 0 if spec.isa == "x86_64" else 2
    unit.instShiftAmt = shift
    unit.btb = objects.SimpleBTB(numEntries=spec["predictor.btb"])
    unit.ras = objects.ReturnAddrStack(numEntries=spec["predictor.returns"])
    unit.indirectBranchPred = objects.SimpleIndirectPredictor(
        indirectSets=spec["predictor.indirect_sets"], instShiftAmt=shift
    )
    return unit


def units(spec):
    """The ISA's default functional units in the platform's numbers."""
    multiply = (
        objects.X86IntMultDiv if spec.isa == "x86_64" else objects.IntMultDiv
    )
    vector = spec["units.vector"]
    return objects.FUPool(
        FUList=[
            objects.IntALU(count=spec["units.integer"]),
            multiply(count=spec["units.multiply"]),
            objects.FP_ALU(count=vector),
            objects.FP_MultDiv(count=vector),
            objects.SIMD_Unit(count=vector),
            objects.PredALU(count=1),
            objects.ReadPort(count=spec["units.load"]),
            objects.WritePort(count=spec["units.store"]),
            objects.IprPort(),
        ]
    )
