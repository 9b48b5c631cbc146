"""Builds the machine: the standard library's boards with our cores and caches."""

import os

import caches
import cores
import m5
from m5.objects import (
    ArmDefaultRelease,
    Root,
    VExpress_GEM5_V1,
)

from gem5.components.boards.arm_board import ArmBoard
from gem5.components.boards.x86_board import X86Board
from gem5.components.memory.dram_interfaces.ddr3 import DDR3_1600_8x8
from gem5.components.memory.dram_interfaces.ddr4 import DDR4_2400_8x8
from gem5.components.memory.dram_interfaces.lpddr3 import LPDDR3_1600_1x32
from gem5.components.memory.memory import ChanneledMemory
from gem5.resources.resource import (
    BootloaderResource,
    DiskImageResource,
    KernelResource,
)

MEMORIES = {
    "ddr3-1600": DDR3_1600_8x8,
    "ddr4-2400": DDR4_2400_8x8,
    "lpddr3-1600": LPDDR3_1600_1x32,
}

# The functional run knows no platform but its clock and the size of memory.
BOOT_MEMORY = ("ddr4-2400", 1)


class Machine:
    """The built and instantiated machine."""

    def __init__(self, board, processor, hierarchy):
        self.board = board
        self.processor = processor
        self.hierarchy = hierarchy


def build(spec):
    processor = cores.Processor(spec)
    hierarchy = caches.build(spec)
    technology, channels = BOOT_MEMORY
    if spec.detailed:
        technology, channels = spec["memory.technology"], spec["memory.channels"]
    memory = ChanneledMemory(
        MEMORIES[technology], channels, 64, size=f"{spec.memory // 2**20}MiB"
    )
    parts = dict(
        clk_freq=f"{spec['core.clock']}Hz",
        processor=processor,
        memory=memory,
        cache_hierarchy=hierarchy,
    )
    if spec.isa == "x86_64":
        board, console = X86Board(**parts), "board.pc.com_1.device"
    else:
        board, console = arm(parts), "board.terminal"
    if spec.detailed:
        board.cache_line_size = spec["cache.line"]
    board.set_kernel_disk_workload(
        kernel=KernelResource(spec.kernel),
        disk_image=DiskImageResource(spec.disk),
        bootloader=(
            BootloaderResource(spec.bootloader) if spec.bootloader else None
        ),
        readfile=spec.readfile or None,
        # Braces are the standard library's placeholders.
        kernel_args=spec.commandLine.replace("{", "{{")
        .replace("}", "}}")
        .split(),
        exit_on_work_items=True,
    )
    board._pre_instantiate()
    Root(full_system=True, board=board)
    m5.instantiate(spec.restore or None)
    board._post_instantiate()
    link(console)
    return Machine(board, processor, hierarchy)


def arm(parts):
    """Without EL3 and EL2 cores start where Linux wants them, in EL1, and the boot
    stub has no interrupt controller to set up."""
    release = ArmDefaultRelease.for_kvm()
    return ArmBoard(platform=VExpress_GEM5_V1(), release=release, **parts)


def link(console):
    """Gives the console, which gem5 calls after its device, its name."""
    name = os.path.join(m5.options.outdir, "console")
    if os.path.lexists(name):
        os.unlink(name)
    os.symlink(console, name)
