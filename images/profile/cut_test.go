package profile_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/images/profile"
)

// counted is what the plugin writes about a boot: every number within its own range.
func counted() (text string, want profile.Counts) {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	count := uint64(1000)
	for i := range 40 {
		m := profile.Mark{Address: base + uint64(i%5)*0x100, Count: count}
		count += r.Uint64N(1e9)
		want.Marks = append(want.Marks, m)
		fmt.Fprintf(&b, "mark %x %d\n", m.Address, m.Count)
	}
	for range 200 {
		k := profile.Block{Address: r.Uint64(), Length: 1 + r.Uint64N(64), Runs: r.Uint64()}
		want.Blocks = append(want.Blocks, k)
		fmt.Fprintf(&b, "block %x %d %d\n", k.Address, k.Length, k.Runs)
	}
	want.Total = 1<<64 - 1
	fmt.Fprintf(&b, "total %d\n", want.Total)
	return b.String(), want
}

// TestCountsThatAreCutAnywhereAreRefused: a QEMU that is killed leaves any beginning of
// the file, also one that ends within the last number.
func TestCountsThatAreCutAnywhereAreRefused(t *testing.T) {
	t.Parallel()
	text, want := counted()
	got, err := profile.Parse(strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, want, got)
	for n := range len(text) {
		if n < len(text)-100 && n%101 != 0 {
			continue // the end is what matters most
		}
		_, err := profile.Parse(strings.NewReader(text[:n]))
		require.ErrorContains(t, err, "read the counts: ", "cut after %d of %d bytes: %q", n, len(text), text[max(0, n-20):n])
	}
}

func TestCallsThatAreCutAnywhereAreRefused(t *testing.T) {
	t.Parallel()
	const text = "begin 100 10\nend 140 35\nbegin 200 35\nend 200 36\ntotal 900 901\n"
	for n := range len(text) {
		_, err := profile.ParseCalls(strings.NewReader(text[:n]))
		require.ErrorContains(t, err, "read the counts: ", "cut after %d bytes", n)
	}
}

func TestLinesThatNoPluginWrites(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"mark 10 5 6", "mark 10", "mark 10 -5", "mark xyz 5", "mark 10 5x", " mark 10 5", "block 10 2 3 4", "block 10 2 18446744073709551616", "total 5 6", "total", "Total 5", "markk 1 2",
	} {
		_, err := profile.Parse(strings.NewReader("mark 1 1\n" + line + "\ntotal 7\n"))
		require.EqualError(t, err, fmt.Sprintf("read the counts: line 2 is %q", line))
	}
	for _, text := range []string{"total 7\nmark 1 1\n", "total 7\ntotal 7\n"} {
		_, err := profile.Parse(strings.NewReader(text))
		require.EqualError(t, err, "read the counts: line 2 comes after the end", "%q", text)
	}
	for _, text := range []string{"begin 1 1 1\nend 2 2\ntotal 2 2\n", "begin 1 1\nend 2 2x\ntotal 2 2\n", "begin 1 1\ntotal 2 2\n", "total 2 2\nbegin 1 1\nend 2 2\n"} {
		_, err := profile.ParseCalls(strings.NewReader(text))
		require.ErrorContains(t, err, "read the counts: line ", "%q", text)
	}
}

// TestPhasesAreTheWholeBoot draws boots: whatever was reached when, the phases sum to
// what lies between the kernel's start and the agent's first line.
func TestPhasesAreTheWholeBoot(t *testing.T) {
	t.Parallel()
	names := []string{"start_kernel", "mem_init", "sched_init", "rest_init", "smp_init", "mount_root", "run_init_process", "ksys_write", "schedule", "memset"}
	symbols := kernel(t, names...)
	rapid.Check(t, func(t *rapid.T) {
		counts := profile.Counts{Marks: []profile.Mark{{Address: base, Count: rapid.Uint64Range(1, 1000).Draw(t, "before")}}}
		at, start := counts.Marks[0].Count, counts.Marks[0].Count
		for range rapid.IntRange(0, 12).Draw(t, "marks") {
			at += rapid.Uint64Range(0, 1000).Draw(t, "apart")
			counts.Marks = append(counts.Marks, profile.Mark{Address: base + uint64(rapid.IntRange(0, len(names)-1).Draw(t, "what"))*0x100, Count: at})
		}
		at += rapid.Uint64Range(0, 1000).Draw(t, "last")
		counts.Marks = append(counts.Marks, profile.Mark{Address: base + 7*0x100, Count: at})
		end := at
		for _, m := range counts.Marks {
			if m.Address == base+7*0x100 {
				end = m.Count
				break
			}
		}
		own := map[string]uint64{}
		for range rapid.IntRange(0, 10).Draw(t, "blocks") {
			n := rapid.IntRange(0, len(names)-1).Draw(t, "function")
			b := profile.Block{Address: base + uint64(n)*0x100 + rapid.Uint64Range(0, 255).Draw(t, "within"), Length: rapid.Uint64Range(1, 50).Draw(t, "length"), Runs: rapid.Uint64Range(1, 50).Draw(t, "runs")}
			counts.Blocks = append(counts.Blocks, b)
			own[names[n]] += b.Length * b.Runs
		}
		boot, err := profile.Analyse(counts, symbols)
		require.NoError(t, err)
		require.Equal(t, start, boot.Before)
		require.Equal(t, end-start, boot.ToAgent)
		var sum uint64
		for _, p := range boot.Phases {
			sum += p.Instructions
			require.NotEmpty(t, p.What)
		}
		require.Equal(t, boot.ToAgent, sum, "%+v", boot.Phases)
		require.Len(t, boot.Functions, len(own))
		for i, f := range boot.Functions {
			require.Equal(t, own[f.Name], f.Instructions, f.Name)
			require.True(t, i == 0 || boot.Functions[i-1].Instructions >= f.Instructions, "the dearest first")
		}
	})
}

func TestABootThatNeverCameUp(t *testing.T) {
	t.Parallel()
	symbols := kernel(t, "start_kernel", "ksys_write")
	for situation, marks := range map[string][]profile.Mark{
		"nothing was reached":            nil,
		"the agent was not":              {{Address: base, Count: 10}},
		"the kernel was not":             {{Address: base + 0x100, Count: 10}},
		"the agent before the kernel":    {{Address: base + 0x100, Count: 5}, {Address: base, Count: 10}},
		"an address that no function is": {{Address: base - 1, Count: 5}},
	} {
		_, err := profile.Analyse(profile.Counts{Marks: marks}, symbols)
		require.EqualError(t, err, "profile the boot: the guest never came as far as the agent's first line", situation)
	}
}

func TestTheTableOfABoot(t *testing.T) {
	t.Parallel()
	boot := profile.Boot{
		Before: 1_000_000, ToAgent: 2_345_678, Phases: []profile.Phase{{From: "start_kernel", What: "set-up", Instructions: 2_345_678}},
		Functions: []profile.Function{{Name: "memset", Instructions: 900_000}, {Name: "memcpy", Instructions: 4_000}},
	}
	for n, lines := range map[int]int{0: 6, 1: 7, 2: 8, 99: 8} {
		var out bytes.Buffer
		require.NoError(t, boot.Write(&out, n))
		require.Len(t, strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), lines, "%d functions:\n%s", n, out.String())
		require.Contains(t, out.String(), "     2.35 M  start_kernel: set-up\n")
		require.Equal(t, n >= 2, strings.Contains(out.String(), "     0.00 M  memcpy\n"))
	}
}
