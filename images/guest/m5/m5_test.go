package m5_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/m5"
)

// The codes of include/gem5/asm/generic/m5ops.h.
var codes = map[string]uint32{
	"exit": 0x21, "fail": 0x22, "sum": 0x23, "resetStats": 0x40, "dumpStats": 0x41, "dumpResetStats": 0x42,
	"checkpoint": 0x43, "writeFile": 0x4f, "readFile": 0x50, "switchCPU": 0x52, "workBegin": 0x5a, "workEnd": 0x5b,
}

func TestEveryInstructionIsEncodedForBothISAs(t *testing.T) {
	t.Parallel()
	body := regexp.MustCompile(`(?s)TEXT ·(\w+)\(SB\), NOSPLIT, \$0-40\n(.*?)RET`)
	for file, want := range map[string]func(code uint32) string{
		"ops_amd64.s": func(c uint32) string {
			return fmt.Sprintf("BYTE $0x0f; BYTE $0x04; BYTE $0x%02x; BYTE $0x00\n", c)
		},
		"ops_arm64.s": func(c uint32) string { return fmt.Sprintf("WORD $0xff%02x0110\n", c) },
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found := map[string]bool{}
		for _, m := range body.FindAllStringSubmatch(string(text), -1) {
			code, known := codes[m[1]]
			require.True(t, known, m[1])
			require.Contains(t, m[2], want(code), "%s in %s", m[1], file)
			found[m[1]] = true
		}
		require.Len(t, found, len(codes), file)
	}
}

// Outside gem5 the instruction must reach the processor and be refused: that
// shows both that it is executed at all and why Detect has to be asked.
func TestOutsideGem5TheInstructionIsInvalid(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("no pseudo-instructions for " + runtime.GOARCH)
	}
	if os.Getenv("M5_EXECUTE") != "" {
		m, err := m5.Detect(m5.Evidence{CommandLine: m5.Word})
		require.NoError(t, err)
		m.WorkBegin(1, 2)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOutsideGem5TheInstructionIsInvalid$")
	cmd.Env = append(os.Environ(), "M5_EXECUTE=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "SIGILL: illegal instruction")
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		evidence m5.Evidence
		want     error
	}{
		"gem5, x86":        {m5.Evidence{"root=/dev/sda " + m5.Word + " quiet", "vendor_id\t: HygonGenuine\nflags\t\t: fpu tsc\n", ""}, nil},
		"gem5, Arm":        {m5.Evidence{m5.Word, "CPU implementer : 0x41\n", "arm,vexpress"}, nil},
		"no word":          {m5.Evidence{"root=/dev/sda quiet", "", ""}, m5.ErrAbsent},
		"part of a word":   {m5.Evidence{"x" + m5.Word, "", ""}, m5.ErrAbsent},
		"QEMU's processor": {m5.Evidence{m5.Word, "model name\t: QEMU Virtual CPU version 2.5+\n", ""}, m5.ErrContradiction},
		"a hypervisor":     {m5.Evidence{m5.Word, "flags\t\t: fpu hypervisor lahf_lm\n", ""}, m5.ErrContradiction},
		"QEMU's board":     {m5.Evidence{m5.Word, "", "linux,dummy-virt\x00"}, m5.ErrContradiction},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := m5.Detect(c.evidence)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.want == nil, m != nil)
		})
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	var got []string
	m := m5.New(func(op m5.Op, args [4]uint64) uint64 {
		got = append(got, fmt.Sprintf("%#x%v", uint16(op), args))
		return args[0] + args[1]
	})
	m.Exit()
	m.Fail(3)
	m.Checkpoint()
	m.WorkBegin(1, 2)
	m.WorkEnd(1, 2)
	m.ResetStats()
	m.DumpStats()
	m.SwitchCPU()
	require.Equal(t, uint64(7), m.Sum(3, 4))
	require.Equal(t, []string{
		"0x21[0 0 0 0]", "0x22[0 3 0 0]", "0x43[0 0 0 0]", "0x5a[1 2 0 0]", "0x5b[1 2 0 0]", "0x40[0 0 0 0]", "0x41[0 0 0 0]",
		"0x52[0 0 0 0]", "0x23[3 4 0 0]",
	}, got)
}

// files is a simulator that has one file to read and keeps what is written.
type files struct {
	in      []byte
	out     map[string][]byte
	most    int    // it moves at most so many bytes at once; 0: any number
	refuses uint64 // its answer to everything, if not 0
}

func (f *files) execute(op m5.Op, a [4]uint64) uint64 {
	if f.refuses != 0 {
		return f.refuses
	}
	buffer := unsafe.Slice((*byte)(pointer(a[0])), a[1])
	switch op {
	case m5.ReadFile:
		if f.most > 0 {
			buffer = buffer[:f.most]
		}
		return uint64(copy(buffer, f.in[min(a[2], uint64(len(f.in))):]))
	case m5.WriteFile:
		var name []byte
		for at := a[3]; *(*byte)(pointer(at)) != 0; at++ {
			name = append(name, *(*byte)(pointer(at)))
		}
		if a[2] == 0 {
			f.out[string(name)] = nil
		}
		f.out[string(name)] = append(f.out[string(name)][:a[2]], buffer...)
		return a[1]
	}
	return 0
}

// pointer makes an address a pointer again; what it points to is kept alive by
// the caller.
func pointer(address uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

func TestFiles(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("0123456789abcde\n"), 10_000)
	for name, f := range map[string]*files{
		"empty": {}, "short": {in: []byte("{}")}, "several chunks": {in: long}, "in small pieces": {in: long[:5000], most: 999},
	} {
		f.out = map[string][]byte{}
		m := m5.New(f.execute)
		got, err := m.ReadFile(len(f.in))
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(f.in, got), name)
		require.NoError(t, m.WriteFile("records", []byte("gone"), 0))
		require.NoError(t, m.WriteFile("records", []byte("head "), 0))
		require.NoError(t, m.WriteFile("records", long, 5))
		require.Equal(t, "head "+string(long), string(f.out["records"]))
	}
	m := m5.New((&files{in: long}).execute)
	_, err := m.ReadFile(len(long) - 1)
	require.ErrorContains(t, err, "longer than "+strconv.Itoa(len(long)-1))
	m = m5.New((&files{refuses: ^uint64(0)}).execute)
	_, err = m.ReadFile(10)
	require.ErrorContains(t, err, "answered -1")
	require.ErrorContains(t, m.WriteFile("x", []byte("abc"), 0), "-1 of 3 bytes")
	require.False(t, strings.Contains(m5.Word, " "))
}
