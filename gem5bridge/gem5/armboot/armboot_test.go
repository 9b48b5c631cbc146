package armboot_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/gem5/armboot"
)

// machine is as much of an Arm core as the stub needs.
type machine struct {
	t      *testing.T
	x      [32]uint64 // x[31] is xzr
	mpidr  uint64
	memory map[uint64]uint64
	waits  func()
}

// run executes the stub until it branches into the kernel, and returns where.
func (m *machine) run(code []uint32, at uint64) uint64 {
	base := at
	for range 1000 {
		require.Less(m.t, (at-base)/4, uint64(len(code)), "it runs off its end")
		i := code[(at-base)/4]
		signed := func(word uint32, bits int) uint64 { return uint64(int64(word) << (64 - bits) >> (64 - bits)) }
		rd, rn, rm := i&31, i>>5&31, i>>16&31
		next := at + 4
		switch {
		case i&0xffffffe0 == 0xd53800a0: // mrs
			m.x[rd] = m.mpidr
		case i&0xffc00000 == 0x92400000: // and, of so many low bits
			require.Zero(m.t, i>>16&63, "only masks from bit 0 are known here")
			m.x[rd] = m.x[rn] & (1<<(i>>10&63+1) - 1)
		case i>>24 == 0xb4: // cbz
			if m.x[rd] == 0 {
				next = at + signed(i>>5&0x7ffff, 19)*4
			}
		case i == 0xd503205f: // wfe
			m.waits()
		case i&0xfffffc00 == 0xf9400000: // ldr
			m.x[rd] = m.memory[m.x[rn]]
		case i>>26 == 5: // b
			next = at + signed(i&0x3ffffff, 26)*4
		case i&0xffe0ffe0 == 0xaa0003e0: // mov
			m.x[rd] = m.x[rm]
		case i&0xfffffc1f == 0xd61f0000: // br
			return m.x[rn]
		default:
			require.Fail(m.t, "unknown instruction", "%#x at %#x", i, at)
		}
		m.x[31], at = 0, next
	}
	require.Fail(m.t, "it does not end")
	return 0
}

func load(t *testing.T) ([]uint32, uint64) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(armboot.ELF()))
	require.NoError(t, err)
	require.Equal(t, elf.EM_AARCH64, f.Machine)
	require.Len(t, f.Progs, 1)
	p := f.Progs[0]
	require.Equal(t, elf.PT_LOAD, p.Type)
	require.Equal(t, f.Entry, p.Paddr)
	code := make([]uint32, p.Filesz/4)
	require.NoError(t, binary.Read(p.Open(), binary.LittleEndian, code))
	return code, f.Entry
}

const (
	tree   = 0x88000000
	kernel = 0x80080000
	word   = 0x87fffff8
)

func TestFirstCoreEntersTheKernelWithTheDeviceTree(t *testing.T) {
	t.Parallel()
	code, entry := load(t)
	m := &machine{t: t, mpidr: 1<<31 | 1<<24, waits: func() { require.Fail(t, "it waits") }}
	m.x[0], m.x[3], m.x[5] = tree, kernel, word
	require.Equal(t, uint64(kernel), m.run(code, entry))
	require.Equal(t, [4]uint64{tree, 0, 0, 0}, [4]uint64(m.x[:4]))
}

func TestOtherCoresWaitForTheKernel(t *testing.T) {
	t.Parallel()
	const secondary = 0x81234560
	code, entry := load(t)
	m := &machine{t: t, mpidr: 1<<31 | 1, memory: map[uint64]uint64{}}
	waits := 0
	m.waits = func() {
		if waits++; waits == 3 {
			m.memory[word] = secondary
		}
	}
	m.x[0], m.x[3], m.x[5] = tree, kernel, word
	require.Equal(t, uint64(secondary), m.run(code, entry))
	require.Equal(t, 3, waits)
	require.Equal(t, [4]uint64{}, [4]uint64(m.x[:4]))
}

// TestDisassembly has another program read the stub, where there is one.
func TestDisassembly(t *testing.T) {
	t.Parallel()
	objdump, err := exec.LookPath("aarch64-linux-gnu-objdump")
	if err != nil {
		t.Skip("aarch64-linux-gnu-objdump is missing (Debian: binutils-aarch64-linux-gnu)")
	}
	path := filepath.Join(t.TempDir(), "stub")
	code, _ := load(t)
	var raw bytes.Buffer
	require.NoError(t, binary.Write(&raw, binary.LittleEndian, code))
	require.NoError(t, os.WriteFile(path, raw.Bytes(), 0o600))
	out, err := exec.Command(objdump, "-D", "-b", "binary", "-m", "aarch64", "--adjust-vma=0x10", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	text := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{
		"mrs x4, mpidr_el1", "and x4, x4, #0xffffff", "cbz x4, 0x2c", "wfe", "ldr x4, [x5]", "cbz x4, 0x1c", "b 0x34", "mov x4, x3", "b 0x38", "br x4",
	} {
		require.Contains(t, text, want)
	}
}
