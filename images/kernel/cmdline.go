package kernel

import (
	"cmp"
	"fmt"

	"microcosm/images/isa"
)

// Clock tells an x86 kernel frequencies that it would otherwise measure by busy
// waiting. Zero: it measures.
type Clock struct {
	TSCKHz       int // of the time stamp counter
	LocalAPICKHz int // of the local APIC's timer, before its divider
}

const (
	ticksPerSecond = 100       // CONFIG_HZ_100
	nominalKHz     = 4_000_000 // where the counter's frequency is unknown: no host is much faster
)

// Gem5Clock returns the clock of a gem5 x86 board whose cores run at coreKHz:
// its time stamp counter counts core cycles, its local APIC one in sixteen
// (src/arch/x86/X86LocalApic.py).
func Gem5Clock(coreKHz int) Clock { return Clock{TSCKHz: coreKHz, LocalAPICKHz: coreKHz / 16} }

// RootDevice returns the guest's name of its first disk.
func RootDevice(i isa.ISA) string {
	if i == isa.X86 {
		return "/dev/sda"
	}
	return "/dev/vda"
}

// JobDevice returns the guest's name of its second disk, which holds the job
// where there is no simulator to ask for it.
func JobDevice(i isa.ISA) string {
	if i == isa.X86 {
		return "/dev/sdb"
	}
	return "/dev/vdb"
}

// CommandLine returns the kernel's arguments: the same in QEMU and in gem5 but
// for the clock. More may be appended; the kernel takes the last of two.
func CommandLine(i isa.ISA, clock Clock) []string {
	args := []string{
		"root=" + RootDevice(i), "rootfstype=ext4", "ro", "init=/init",
		// Messages cost instructions by the character; a panic is printed all the same.
		"quiet", "loglevel=3",
		// A panic ends the machine at once, so that whoever waits for it learns it.
		"panic=-1",
		// Simulated processors have no side channels to close.
		"mitigations=off",
	}
	if i != isa.X86 {
		return append(args, "console=ttyAMA0")
	}
	args = append(args,
		"console=ttyS0",
		// gem5's counters are synchronous; testing that takes 20 ms of busy waiting
		// and fails. With it the kernel would fall back to ticks of 10 ms.
		"tsc=reliable",
		// In gem5 v24 the guest hangs once its local APIC's timer is in one-shot mode,
		// so it ticks, every 10 ms; clocks tell microseconds all the same.
		"highres=off", "nohz=off",
		// Left to choose, the kernel idles in a way in which gem5's cores go on executing,
		// which makes up most instructions of a boot.
		"idle=halt",
		// Both are waits for real hardware: 10 ms per core, and ten ticks.
		"cpu_init_udelay=0", "no_timer_check",
	)
	// Every core would measure its delay loop. It waits by the time stamp counter,
	// so the loops of a tick are the counts of a tick; too many only prolong it.
	counts := cmp.Or(clock.TSCKHz, nominalKHz) * 1000 / ticksPerSecond
	args = append(args, fmt.Sprintf("lpj=%d", counts))
	if clock.TSCKHz > 0 {
		args = append(args, fmt.Sprintf("tsc_early_khz=%d", clock.TSCKHz))
	}
	if clock.LocalAPICKHz > 0 {
		args = append(args, fmt.Sprintf("lapic_timer_khz=%d", clock.LocalAPICKHz))
	}
	return args
}
