package profile

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// phases are the functions at which a phase of the boot begins, in order, and
// what happens until the next.
var phases = []struct{ function, what string }{
	{"start_kernel", "architecture set-up: memory map, page tables, tables of devices"},
	{"mem_init", "memory: page allocator"},
	{"sched_init", "scheduler, RCU, interrupts, timers, console"},
	{"rest_init", "kernel threads"},
	{"kernel_init_freeable", "local interrupt controllers, clocks"},
	{"smp_init", "other cores"},
	{"page_alloc_init_late", "rest of the page allocator"},
	{"driver_init", "initcalls: network stack, file systems, drivers"},
	{"prepare_namespace", "waiting for the disk"},
	{"mount_root", "mounting the root"},
	{"free_initmem", "freeing the boot's memory, write protection"},
	{"run_init_process", "loading the agent"},
	{firstWrite, ""},
}

// firstWrite is the kernel's function of the system call by which the agent
// prints its first line.
const firstWrite = "ksys_write"

// Marks returns the addresses that a boot's profile needs stamped.
func (s *Symbols) Marks() []uint64 {
	var marks []uint64
	for _, p := range phases {
		if address, ok := s.Address(p.function); ok {
			marks = append(marks, address)
		}
	}
	return marks
}

// Phase is a part of a boot.
type Phase struct {
	From         string // the function at which it begins
	What         string
	Instructions uint64
}

// Boot is where the instructions of a boot went.
type Boot struct {
	Before    uint64 // firmware and decompression, which gem5 does not execute
	ToAgent   uint64 // from the kernel's first function to the agent's first line
	Phases    []Phase
	Functions []Function // of the whole run, the dearest first
}

// Function is a function's own instructions.
type Function struct {
	Name         string
	Instructions uint64
}

// Analyse returns where the instructions went. It fails if the agent was never
// reached.
func Analyse(c Counts, s *Symbols) (Boot, error) {
	first := map[string]uint64{}
	for _, m := range c.Marks {
		if name := s.Name(m.Address); first[name] == 0 {
			first[name] = m.Count
		}
	}
	if first["start_kernel"] == 0 || first[firstWrite] < first["start_kernel"] {
		return Boot{}, fmt.Errorf("profile the boot: the guest never came as far as the agent's first line")
	}
	b := Boot{Before: first["start_kernel"], ToAgent: first[firstWrite] - first["start_kernel"]}
	b.Phases = split(first)
	own := map[string]uint64{}
	for _, block := range c.Blocks {
		name := "(user, firmware, decompression)"
		if block.Address >= kernelHalf {
			name = s.Name(block.Address)
		}
		own[name] += block.Length * block.Runs
	}
	for name, n := range own {
		b.Functions = append(b.Functions, Function{name, n})
	}
	sort.Slice(b.Functions, func(i, j int) bool {
		x, y := b.Functions[i], b.Functions[j]
		return x.Instructions > y.Instructions || x.Instructions == y.Instructions && x.Name < y.Name
	})
	return b, nil
}

// split returns the phases that were reached before the agent's first line, each with
// its instructions.
func split(first map[string]uint64) []Phase {
	var reached []Phase
	for _, p := range phases {
		at, ok := first[p.function]
		if ok && at <= first[firstWrite] && (len(reached) == 0 || at >= reached[len(reached)-1].Instructions) {
			reached = append(reached, Phase{p.function, p.what, at})
		}
	}
	for i := range len(reached) - 1 {
		reached[i].Instructions = reached[i+1].Instructions - reached[i].Instructions
	}
	return reached[:len(reached)-1] // the last is the end
}

// Write prints the boot as a table with the n dearest functions.
func (b Boot) Write(w io.Writer, n int) error {
	var text strings.Builder
	row := func(instructions uint64, what string) {
		fmt.Fprintf(&text, "%9.2f M  %s\n", float64(instructions)/1e6, what)
	}
	text.WriteString("instructions of phases\n")
	row(b.Before, "firmware and decompression (not in gem5)")
	for _, p := range b.Phases {
		row(p.Instructions, p.From+": "+p.What)
	}
	row(b.ToAgent, "from the kernel's start to the agent's first line")
	text.WriteString("\ninstructions of functions, in the whole run\n")
	for _, f := range b.Functions[:min(n, len(b.Functions))] {
		row(f.Instructions, f.Name)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
