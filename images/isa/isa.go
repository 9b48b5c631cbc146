// Package isa answers what each of the two instruction sets is called by the
// tools that build and boot an image.
//
// It is the only place where such names stand, so that a third ISA would be one
// more column here and one more kernel fragment.
package isa

import (
	"debug/elf"
	"fmt"
	"strings"
)

// ISA is an instruction set that images are built for. It travels as the words
// "x86_64" and "arm64".
type ISA int

// The instruction sets.
const (
	Invalid ISA = iota
	X86
	Arm
)

// names is one instruction set in the words of every tool.
type names struct {
	word, goarch, debian, multiarch string

	machine elf.Machine
}

var table = map[ISA]names{
	X86: {"x86_64", "amd64", "amd64", "x86_64-linux-gnu", elf.EM_X86_64},
	Arm: {"arm64", "arm64", "arm64", "aarch64-linux-gnu", elf.EM_AARCH64},
}

// All returns every instruction set, in a fixed order.
func All() []ISA { return []ISA{X86, Arm} }

// Parse returns the instruction set that word names, or an error that lists the
// words there are.
func Parse(word string) (ISA, error) {
	known := make([]string, 0, len(table))
	for _, i := range All() {
		if i.String() == word {
			return i, nil
		}
		known = append(known, i.String())
	}
	return Invalid, fmt.Errorf("unknown ISA %q: say ISA=%s", word, strings.Join(known, " or ISA="))
}

// String returns the word by which users and the kernel's build (ARCH=) know
// the instruction set.
func (i ISA) String() string {
	if n, ok := table[i]; ok {
		return n.word
	}
	return "invalid"
}

// GoArch returns the GOARCH.
func (i ISA) GoArch() string { return table[i].goarch }

// Debian returns Debian's name of the architecture.
func (i ISA) Debian() string { return table[i].debian }

// Multiarch returns the GNU triplet that prefixes compilers and names library
// folders.
func (i ISA) Multiarch() string { return table[i].multiarch }

// Machine returns the machine that ELF files of the instruction set are for.
func (i ISA) Machine() elf.Machine { return table[i].machine }

// MarshalText returns the word, or an error for the zero value.
func (i ISA) MarshalText() ([]byte, error) {
	if _, ok := table[i]; !ok {
		return nil, fmt.Errorf("invalid ISA %d", int(i))
	}
	return []byte(i.String()), nil
}

// UnmarshalText is Parse.
func (i *ISA) UnmarshalText(word []byte) (err error) {
	*i, err = Parse(string(word))
	return err
}
