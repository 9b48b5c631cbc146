// Package m5 lets a program inside a gem5 guest speak with the simulator by
// gem5's pseudo-instructions, on x86-64 and arm64.
//
// Elsewhere these are invalid instructions that kill the program. Detect says
// where the program runs; whoever asks only a Machine that Detect has returned
// executes none outside gem5. No foreign m5 program is needed.
package m5

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"
)

// Op is the function code of a pseudo-instruction.
type Op uint16

// The function codes: gem5, include/gem5/asm/generic/m5ops.h.
const (
	Exit           Op = 0x21
	Fail           Op = 0x22
	Sum            Op = 0x23
	ResetStats     Op = 0x40
	DumpStats      Op = 0x41
	DumpResetStats Op = 0x42
	Checkpoint     Op = 0x43
	WriteFile      Op = 0x4f
	ReadFile       Op = 0x50
	SwitchCPU      Op = 0x52
	WorkBegin      Op = 0x5a
	WorkEnd        Op = 0x5b
)

// Word on the kernel's command line is how whoever configures gem5 tells the
// guest that it is simulated: gem5 claims to be an ordinary processor.
const Word = "microcosm.machine=gem5"

var (
	// ErrAbsent is the error of Detect outside gem5.
	ErrAbsent = errors.New("not in gem5")
	// ErrContradiction is the error of a machine that is called gem5 and is not.
	ErrContradiction = errors.New("called gem5, but it is another machine")
)

// Evidence is what a guest knows about its machine.
type Evidence struct {
	CommandLine string // /proc/cmdline
	CPUInfo     string // /proc/cpuinfo
	DeviceTree  string // /proc/device-tree/compatible and model; empty without one
}

// Detect returns the simulator if the kernel's command line says Word and
// nothing speaks against it. The error is ErrAbsent without the word and
// ErrContradiction where QEMU or a hypervisor shows.
func Detect(e Evidence) (*Machine, error) {
	if !slices.Contains(strings.Fields(e.CommandLine), Word) {
		return nil, fmt.Errorf("%w: the kernel's command line does not say %s", ErrAbsent, Word)
	}
	for _, line := range strings.Split(e.CPUInfo, "\n") {
		field, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(field) {
		case "flags":
			if slices.Contains(strings.Fields(value), "hypervisor") {
				return nil, fmt.Errorf("%w: the processor tells of a hypervisor: take %s off the command line", ErrContradiction, Word)
			}
		case "model name", "vendor_id":
			if strings.Contains(value, "QEMU") {
				return nil, fmt.Errorf("%w: the processor is %s: take %s off the command line", ErrContradiction, strings.TrimSpace(value), Word)
			}
		}
	}
	if strings.Contains(e.DeviceTree, "dummy-virt") || strings.Contains(e.DeviceTree, "qemu") {
		return nil, fmt.Errorf("%w: the device tree is QEMU's: take %s off the command line", ErrContradiction, Word)
	}
	ops := instructions()
	if ops == nil {
		return nil, fmt.Errorf("%w: no pseudo-instructions are known for %s", ErrAbsent, runtime.GOARCH)
	}
	return New(func(op Op, args [4]uint64) uint64 { return ops[op](args[0], args[1], args[2], args[3]) }), nil
}

// Machine is the simulator, as its guest sees it. Safe for concurrent use if
// what executes is.
type Machine struct {
	execute func(op Op, args [4]uint64) uint64
}

// New returns a machine whose pseudo-instructions are execute's: a recorder in
// tests.
func New(execute func(op Op, args [4]uint64) uint64) *Machine { return &Machine{execute} }

func (m *Machine) do(op Op, args ...uint64) uint64 {
	var all [4]uint64
	copy(all[:], args)
	return m.execute(op, all)
}

// Exit ends the simulation now.
func (m *Machine) Exit() { m.do(Exit, 0) }

// Fail ends the simulation now; code, from 1, says why.
func (m *Machine) Fail(code uint64) { m.do(Fail, 0, code) }

// Checkpoint asks for a checkpoint now. It returns in the guest that goes on,
// and once more in every guest restored from the checkpoint.
func (m *Machine) Checkpoint() { m.do(Checkpoint, 0, 0) }

// WorkBegin marks the beginning of a work item.
func (m *Machine) WorkBegin(id, thread uint64) { m.do(WorkBegin, id, thread) }

// WorkEnd marks the end of a work item.
func (m *Machine) WorkEnd(id, thread uint64) { m.do(WorkEnd, id, thread) }

// ResetStats sets the simulator's statistics to zero.
func (m *Machine) ResetStats() { m.do(ResetStats, 0, 0) }

// DumpStats writes the simulator's statistics out.
func (m *Machine) DumpStats() { m.do(DumpStats, 0, 0) }

// SwitchCPU asks for the other CPU model.
func (m *Machine) SwitchCPU() { m.do(SwitchCPU) }

// Sum adds, in the simulator: a harmless way to see that it answers.
func (m *Machine) Sum(a, b uint64) uint64 { return m.do(Sum, a, b, 0, 0) }

// chunk is how much of a file is moved at once.
const chunk = 64 << 10

// ReadFile returns the file that the simulator's configuration hands in, empty
// where there is none. A file longer than most bytes is an error.
func (m *Machine) ReadFile(most int) ([]byte, error) {
	var text []byte
	buffer := touched(chunk)
	for {
		n := m.do(ReadFile, address(buffer), uint64(len(buffer)), uint64(len(text)))
		runtime.KeepAlive(buffer)
		switch {
		case n > uint64(len(buffer)):
			return nil, fmt.Errorf("read the simulator's file: it answered %d", int64(n))
		case n == 0:
			return text, nil
		}
		if text = append(text, buffer[:n]...); len(text) > most {
			return nil, fmt.Errorf("read the simulator's file: longer than %d bytes", most)
		}
	}
}

// WriteFile writes data into the simulator's output file called name, from the
// offset on. Offset 0 begins the file anew.
func (m *Machine) WriteFile(name string, data []byte, offset int64) error {
	path := append([]byte(name), 0)
	for begin := 0; begin < len(data); begin += chunk {
		// A copy, because every page must be there when the simulator reads it.
		part := append(touched(chunk)[:0], data[begin:min(begin+chunk, len(data))]...)
		n := m.do(WriteFile, address(part), uint64(len(part)), uint64(offset)+uint64(begin), address(path))
		runtime.KeepAlive(part)
		runtime.KeepAlive(path)
		if n != uint64(len(part)) {
			return fmt.Errorf("write the simulator's file %s: %d of %d bytes written", name, int64(n), len(part))
		}
	}
	return nil
}

// touched returns n bytes whose pages are all mapped and writable: the
// simulator translates addresses, but takes no page fault.
func touched(n int) []byte {
	b := make([]byte, n)
	const page = 4096
	for i := 0; i < n; i += page {
		b[i] = 1
	}
	b[n-1] = 1
	return b
}

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
