"""The caches: none for functional runs, the platform's hierarchy for detailed ones."""

from m5 import objects
from m5.objects import (
    NULL,
    BadAddr,
    Cache,
    L2XBar,
    SystemXBar,
)

from gem5.components.cachehierarchies.classic.abstract_classic_cache_hierarchy import (
    AbstractClassicCacheHierarchy,
)
from gem5.components.cachehierarchies.classic.no_cache import NoCache
from gem5.isas import ISA

PREFETCHERS = {
    "none": None,
    "tagged": "TaggedPrefetcher",
    "stride": "StridePrefetcher",
    "ampm": "AMPMPrefetcher",
    "bop": "BOPPrefetcher",
}


def build(spec):
    return Hierarchy(spec) if spec.detailed else functional()


def memory_bus():
    bus = SystemXBar(width=64)
    bus.badaddr_responder = BadAddr()
    bus.default = bus.badaddr_responder.pio
    return bus


def functional():
    bus = memory_bus()
    # Without caches nobody owns lines, and the filter would wait for owners.
    bus.snoop_filter = NULL
    return NoCache(membus=bus)


class Level(Cache):
    """One cache of a platform."""

    def __init__(self, spec, name, **more):
        super().__init__()
        self.size = f"{spec[name + '.size']}B"
        self.assoc = spec[name + ".ways"]
        latency = spec[name + ".latency"]
        # gem5 adds tags, data and response; a hit takes tags and data in parallel.
        self.tag_latency = latency
        self.data_latency = latency
        self.response_latency = 1
        self.mshrs = spec[name + ".misses"]
        self.tgts_per_mshr = 16
        self.write_buffers = 16
        kind = PREFETCHERS[spec[name + ".prefetcher"]]
        if kind:
            self.prefetcher = getattr(objects, kind)()
        for parameter, value in more.items():
            setattr(self, parameter, value)


class WalkCache(Cache):
    """What a core remembers of page tables."""

    def __init__(self, spec):
        super().__init__()
        self.size = f"{spec['walkcache.size']}B"
        self.assoc = 4
        self.tag_latency = 1
        self.data_latency = 1
        self.response_latency = 1
        self.mshrs = 8
        self.tgts_per_mshr = 8
        self.writeback_clean = False


class Hierarchy(AbstractClassicCacheHierarchy):
    """Private first and second levels, walk caches in front of the second, and
    on three levels one last level that all cores share."""

    def __init__(self, spec):
        super().__init__()
        self._spec = spec
        self.membus = memory_bus()

    def get_mem_side_port(self):
        return self.membus.mem_side_ports

    def get_cpu_side_port(self):
        return self.membus.cpu_side_ports

    def incorporate_cache(self, board):
        spec = self._spec
        board.connect_system_port(self.membus.cpu_side_ports)
        for _, port in board.get_memory().get_mem_ports():
            self.membus.mem_side_ports = port
        below = self.membus.cpu_side_ports
        if spec["cache.levels"] == 3:
            self.l3bus = L2XBar()
            self.l3 = Level(spec, "l3")
            self.l3.cpu_side = self.l3bus.mem_side_ports
            self.l3.mem_side = self.membus.cpu_side_ports
            below = self.l3bus.cpu_side_ports
        cores = board.get_processor().get_cores()
        self.l1i = [Level(spec, "l1i", is_read_only=True) for _ in cores]
        self.l1d = [Level(spec, "l1d") for _ in cores]
        self.iwalk = [WalkCache(spec) for _ in cores]
        self.dwalk = [WalkCache(spec) for _ in cores]
        self.l2 = [Level(spec, "l2") for _ in cores]
        self.l2bus = [L2XBar() for _ in cores]
        for i, core in enumerate(cores):
            for upper in (self.l1i, self.l1d, self.iwalk, self.dwalk):
                upper[i].mem_side = self.l2bus[i].cpu_side_ports
            self.l2[i].cpu_side = self.l2bus[i].mem_side_ports
            self.l2[i].mem_side = below
            core.connect_icache(self.l1i[i].cpu_side)
            core.connect_dcache(self.l1d[i].cpu_side)
            core.connect_walker_ports(
                self.iwalk[i].cpu_side, self.dwalk[i].cpu_side
            )
            if board.get_processor().get_isa() == ISA.X86:
                core.connect_interrupt(
                    self.membus.mem_side_ports, self.membus.cpu_side_ports
                )
            else:
                core.connect_interrupt()
        if board.has_coherent_io():
            self._connect_devices(board)

    def _connect_devices(self, board):
        """Devices reach memory through a small cache, which keeps what they write
        coherent."""
        self.iocache = Cache(
            size="1KiB",
            assoc=8,
            tag_latency=50,
            data_latency=50,
            response_latency=50,
            mshrs=20,
            tgts_per_mshr=12,
            addr_ranges=board.mem_ranges,
        )
        self.iocache.mem_side = self.membus.cpu_side_ports
        self.iocache.cpu_side = board.get_mem_side_coherent_io_port()

    def of_core(self, i):
        """The caches that core i alone uses, by name."""
        return {
            "l1i": self.l1i[i],
            "l1d": self.l1d[i],
            "l2": self.l2[i],
            "iwalk": self.iwalk[i],
            "dwalk": self.dwalk[i],
        }

    def last(self):
        """The last level that is shared, or None."""
        return self.l3 if self._spec["cache.levels"] == 3 else None
