package qemu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/images/isa"
)

func TestWhatTheConsoleWatchesFor(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		ready, text string
		up          bool
		panicked    string
	}{
		"nothing":                        {"agent:", "", false, ""},
		"other lines":                    {"agent:", "booting\nmore\n", false, ""},
		"the ready line":                 {"agent:", "booting\r\n[1.0] agent: up\r\n", true, ""},
		"the ready line, not yet ended":  {"agent:", "agent: up", false, ""},
		"any line will do":               {"", "x\n", true, ""},
		"an empty line is none":          {"", "\r\n\n", false, ""},
		"a panic, without its timestamp": {"agent:", "[ 1.0] Kernel panic - not syncing: VFS\n", false, "Kernel panic - not syncing: VFS"},
		"the first panic":                {"agent:", "Kernel panic - not syncing: a\nKernel panic - not syncing: b\n", false, "Kernel panic - not syncing: a"},
		"a word about panics":            {"agent:", "panic=-1\nKernel panic is off\n", false, ""},
		"a line without an end":          {"agent:", strings.Repeat("x", 3*tailBytes) + "\nagent: up\n", true, ""},
	} {
		console := newConsole(c.ready, nil, time.Now().Add(-time.Second))
		n, err := console.Write([]byte(c.text))
		require.NoError(t, err)
		require.Equal(t, len(c.text), n)
		require.Equal(t, c.up, console.readyAfter() >= time.Second, situation)
		require.Equal(t, c.panicked, console.panicked(), situation)
	}
}

// TestTheConsoleDoesNotMindHowItIsCut: however the text comes in, what is seen in it
// and what is kept of it are the same.
func TestTheConsoleDoesNotMindHowItIsCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"booting\n", "agent: up\r\n", "Kernel panic - not syncing: x\n", "\n", strings.Repeat("y", 9000)}), 0, 8).Draw(t, "lines")
		text := strings.Join(lines, "")
		whole, parts := newConsole("agent:", nil, time.Now().Add(-time.Second)), newConsole("agent:", nil, time.Now().Add(-time.Second))
		_, _ = whole.Write([]byte(text))
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			_, _ = parts.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		for _, c := range []*console{whole, parts} {
			c.finish()
		}
		require.Equal(t, whole.tail(), parts.tail())
		require.LessOrEqual(t, len(whole.end), tailBytes)
		require.True(t, strings.HasSuffix(strings.ReplaceAll(text, "\r\n", "\n"), parts.tail()) || strings.HasPrefix(parts.tail(), "\n"))
		require.Equal(t, whole.panicked(), parts.panicked())
	})
}

func TestDisks(t *testing.T) {
	t.Parallel()
	x86, arm := &Machine{ISA: isa.X86}, &Machine{ISA: isa.Arm}
	require.Equal(t, []string{"-drive", "file=/a,,b.img,format=raw,snapshot=on,id=root,if=ide,index=0"}, x86.drive("root", 0, "/a,b.img"), "a comma in a path is written twice")
	require.Equal(t, []string{"-drive", "file=/j,format=raw,snapshot=on,id=job,if=ide,index=2"}, x86.drive("job", 1, "/j"))
	require.Equal(t, []string{"-drive", "file=/j,format=raw,snapshot=on,id=job,if=none", "-device", "virtio-blk-pci,drive=job"}, arm.drive("job", 1, "/j"))
}

func TestArguments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &Machine{ISA: isa.Arm, Kernel: "/k", Disk: "/d"}
	args, err := m.arguments(dir)
	require.NoError(t, err)
	line := strings.Join(args, " ")
	require.Contains(t, line, "-smp 2 -m 1024 -kernel /k", "what is not said has a default")
	require.Contains(t, line, "-M virt,gic-version=2")
	require.NotContains(t, line, "id=job")
	require.NotContains(t, line, "-plugin")
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)

	m = &Machine{ISA: isa.X86, Kernel: "/k", Disk: "/d", Job: []byte{}, Append: []string{"a=1", "b"}, Counter: &Counter{Plugin: "/p.so", Out: "/o", Marks: []uint64{0xffffffff81000000, 16}}}
	args, err = m.arguments(dir)
	require.NoError(t, err)
	line = strings.Join(args, " ")
	require.True(t, strings.HasSuffix(args[len(args)-1], " a=1 b"), "the kernel's command line is one argument")
	require.Contains(t, line, "-accel tcg,thread=single -plugin /p.so,out=/o,marks="+filepath.Join(dir, "marks"))
	marks, err := os.ReadFile(filepath.Join(dir, "marks"))
	require.NoError(t, err)
	require.Equal(t, "ffffffff81000000\n10\n", string(marks))
	job, err := os.ReadFile(filepath.Join(dir, "job"))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat(" ", 512), string(job), "a disk is no smaller than a sector")

	m.Job = []byte(strings.Repeat("x", 512))
	_, err = m.arguments(dir)
	require.NoError(t, err)
	job, err = os.ReadFile(filepath.Join(dir, "job"))
	require.NoError(t, err)
	require.Len(t, job, 512, "what fits needs no padding")
	_, err = m.arguments(filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "write the job")
}

func TestVerdictsInWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for v := Invalid; v <= Died; v++ {
		require.NotContains(t, v.String(), "verdict ")
		seen[v.String()] = true
	}
	require.Len(t, seen, 6)
	require.Equal(t, "verdict 6", (Died + 1).String())
	require.Equal(t, "verdict -1", Verdict(-1).String())
}
