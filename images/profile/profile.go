// Package profile answers where the instructions of a boot go: per phase and
// per function of the kernel.
//
// It reads what QEMU's counting plugin wrote and names the addresses by the
// kernel's symbol table. Its unit is the instruction, with a repeated string
// instruction counted once per repetition; gem5 counts the latter once but
// executes its micro-operations. Waits take fewer instructions here than in
// gem5, where the clock of the guest is slower than the host's.
package profile

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// Counts is what the plugin wrote.
type Counts struct {
	Marks  []Mark
	Blocks []Block
	Total  uint64
}

// Mark says how many instructions had been executed when an address was
// reached. An address may be reached more than once.
type Mark struct{ Address, Count uint64 }

// Block is a run of Length instructions that was executed Runs times.
type Block struct{ Address, Length, Runs uint64 }

// Parse reads the plugin's output. Output without its end, as a killed QEMU
// leaves it, is an error.
func Parse(r io.Reader) (Counts, error) {
	var c Counts
	complete := false
	lines := wholeLines(r)
	for n := 1; lines.Scan(); n++ {
		var m Mark
		var b Block
		line := lines.Text()
		switch {
		case complete:
			return Counts{}, fmt.Errorf("read the counts: line %d comes after the end", n)
		case scan(line, "mark %x %d", &m.Address, &m.Count):
			c.Marks = append(c.Marks, m)
		case scan(line, "block %x %d %d", &b.Address, &b.Length, &b.Runs):
			c.Blocks = append(c.Blocks, b)
		case scan(line, "total %d", &c.Total):
			complete = true
		default:
			return Counts{}, fmt.Errorf("read the counts: line %d is %q", n, line)
		}
	}
	if err := lines.Err(); err != nil {
		return Counts{}, fmt.Errorf("read the counts: %w", err)
	}
	if !complete {
		return Counts{}, fmt.Errorf("read the counts: %w", errCut)
	}
	return c, nil
}

// errCut is the error of output that a killed QEMU left.
var errCut = errors.New("they have no end: QEMU was killed")

// wholeLines scans lines. A last one without an end was cut, maybe within a number
// that would be read as a smaller one: errCut.
func wholeLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if atEOF && len(data) > 0 && !bytes.Contains(data, []byte("\n")) {
			return 0, nil, errCut
		}
		return bufio.ScanLines(data, atEOF)
	})
	return lines
}

// scan reads a line that is written in the format, and nothing behind it.
func scan(line, format string, values ...any) bool {
	n, err := fmt.Sscanf(line+"\n", format+"\n", values...)
	return err == nil && n == len(values)
}

// Symbols are the functions of a kernel, by address.
type Symbols struct {
	addresses []uint64
	names     []string
	byName    map[string]uint64
}

// ReadSymbols reads the functions of a kernel's ELF file.
func ReadSymbols(path string) (*Symbols, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's symbols: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	table, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("read the symbols of %s: %w", path, err)
	}
	table = slices.DeleteFunc(table, func(s elf.Symbol) bool {
		kind := elf.ST_TYPE(s.Info)
		return s.Section == elf.SHN_UNDEF || s.Value == 0 || strings.HasPrefix(s.Name, "$") ||
			kind != elf.STT_FUNC && kind != elf.STT_NOTYPE
	})
	sort.SliceStable(table, func(i, j int) bool { return table[i].Value < table[j].Value })
	symbols := &Symbols{byName: map[string]uint64{}}
	for _, s := range table {
		symbols.addresses = append(symbols.addresses, s.Value)
		symbols.names = append(symbols.names, s.Name)
		symbols.byName[s.Name] = s.Value
	}
	return symbols, nil
}

// Address returns the address of the function, and whether there is one.
func (s *Symbols) Address(name string) (uint64, bool) {
	address, ok := s.byName[name]
	return address, ok
}

// Name returns the name of the function at or before the address; empty where
// it lies before the first.
func (s *Symbols) Name(address uint64) string {
	i, found := slices.BinarySearch(s.addresses, address)
	if !found {
		i--
	}
	if i < 0 {
		return ""
	}
	return s.names[i]
}

// kernelHalf is the lowest address of a kernel on both ISAs.
const kernelHalf = 1 << 63
