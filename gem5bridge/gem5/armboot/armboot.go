// Package armboot makes the first program that an Arm core of gem5 executes: it
// sends the first core into the Linux kernel and lets the others wait until the
// kernel calls them.
//
// The cores have neither EL3 nor EL2 (config/board.py), so they begin in EL1 with
// the interrupt controller open to them, and nothing is to be set up. gem5 hands
// every core the device tree's address in X0, the kernel's entry in X3 and the
// address of the spin table's only word in X5 (src/arch/arm/linux/fs_workload.cc).
// The kernel wants what its Documentation/arm64/booting.rst says.
package armboot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// address is where gem5's boot memory begins, behind the reset vector.
const address = 0x10

// code is the program, instruction by instruction.
var code = []uint32{
	0xd53800a4, // 0x10 mrs x4, mpidr_el1
	0x92405c84, // 0x14 and x4, x4, #0xffffff    the core's number
	0xb40000a4, // 0x18 cbz x4, 0x2c
	0xd503205f, // 0x1c wfe                      the others wait for the kernel's sev
	0xf94000a4, // 0x20 ldr x4, [x5]
	0xb4ffffc4, // 0x24 cbz x4, 0x1c
	0x14000003, // 0x28 b 0x34
	0xaa0303e4, // 0x2c mov x4, x3               the first one has its address
	0x14000002, // 0x30 b 0x38                   and the device tree in x0
	0xaa1f03e0, // 0x34 mov x0, xzr
	0xaa1f03e1, // 0x38 mov x1, xzr
	0xaa1f03e2, // 0x3c mov x2, xzr
	0xaa1f03e3, // 0x40 mov x3, xzr
	0xd61f0080, // 0x44 br x4
}

// ELF returns the program as gem5 loads it.
func ELF() []byte {
	const headerSize, programSize = 64, 56
	const offset = headerSize + programSize
	size := uint64(4 * len(code))
	var b bytes.Buffer
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_AARCH64), Version: uint32(elf.EV_CURRENT), Entry: address,
		Phoff: headerSize, Ehsize: headerSize, Phentsize: programSize, Phnum: 1, Shentsize: 64,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	program := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Off: offset, Vaddr: address, Paddr: address,
		Filesz: size, Memsz: size, Align: 4,
	}
	for _, part := range []any{header, program, code} {
		_ = binary.Write(&b, binary.LittleEndian, part) // a buffer takes all
	}
	return b.Bytes()
}
