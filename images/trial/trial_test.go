package trial_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/images"
	"microcosm/images/cache"
	"microcosm/images/guest/job"
	"microcosm/images/isa"
	"microcosm/images/trial"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest is a stand-in for QEMU: a program that prints a console and writes the
// counts it is asked for. Tests with one may not run in parallel.
type guest struct {
	console, counts string
	then            string // shell, after the console
}

// boots makes g the QEMU of this test and returns an image of the functions.
func (g guest) boots(t *testing.T, functions ...string) images.Options {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string, perm os.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), perm))
	}
	put("console", g.console, 0o644)
	put("counts", g.counts, 0o644)
	put("qemu-system-x86_64", fmt.Sprintf(`#!/bin/sh
for a; do
	case $a in *,out=*) out=${a#*,out=}; cp '%[1]s/counts' "${out%%%%,*}" ;; esac
done
cat '%[1]s/console'
%[2]s
`, dir, g.then), 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	m := images.Manifest{ISA: isa.X86, Disk: images.Part{Name: "disk.img", Digest: "sha256:feed"}}
	for _, f := range functions {
		m.Functions = append(m.Functions, images.Part{Name: f})
	}
	text, err := json.Marshal(m)
	require.NoError(t, err)
	put("manifest.json", string(text), 0o644)
	put("disk.img", "disk", 0o644)
	put("bzImage", "kernel", 0o644)
	c, err := cache.Open(t.TempDir())
	require.NoError(t, err)
	return images.Options{ISA: isa.X86, Out: dir, Cache: c}
}

// console writes records as an agent does.
type console struct {
	t       *testing.T
	text    bytes.Buffer
	records int
	failed  []string
}

func newConsole(t *testing.T) *console {
	c := &console{t: t}
	c.text.WriteString("agent: up\n")
	c.write(job.Record{Kind: job.Start, Status: job.OK})
	return c
}

func (c *console) write(r job.Record) {
	r.Job, r.Seq = "trial", c.records
	c.records++
	line, err := job.Line(r)
	require.NoError(c.t, err)
	c.text.Write(line)
}

// step writes what a step that goes well leaves; each call took more nanoseconds
// than the one before it.
func (c *console) step(number int, function string, mode job.Mode, warm, measured int) {
	for n := range warm + measured {
		r := job.Record{Kind: job.Call, Status: job.OK, Step: number, Function: function, Mode: mode, Phase: job.Warming, N: n, Nanos: int64(n + 1)}
		if n >= warm {
			r.Phase, r.Marked = job.Measured, true
		}
		c.write(r)
	}
}

// fails writes the record of a failure.
func (c *console) fails(number int, kind job.Kind, function, reason string) {
	r := job.Record{Kind: kind, Status: job.Failed, Reason: reason, Step: number, Function: function}
	if kind == job.Call {
		r.Phase = job.Measured
	}
	c.write(r)
	c.failed = append(c.failed, fmt.Sprintf("step %d: %s: %s", number, function, reason))
}

func (c *console) end() string {
	r := job.Record{Kind: job.End, Status: job.OK, Records: c.records + 1}
	if len(c.failed) > 0 {
		r.Status, r.Reason = job.Failed, strings.Join(c.failed, "\n")
	}
	c.write(r)
	return c.text.String() + "agent: off\n"
}

// good writes the three steps of a function.
func (c *console) good(first int, function string) {
	c.step(first, function, job.Cold, 0, 1)
	c.step(first+1, function, job.Warm, 2, 3)
	c.step(first+2, function, job.Lukewarm, 1, 2)
}

func try(t *testing.T, o images.Options, change ...func(*trial.Options)) (trial.Report, string, error) {
	t.Helper()
	var progress strings.Builder
	options := trial.Options{Image: o, Deadline: time.Minute, Progress: &progress}
	for _, c := range change {
		c(&options)
	}
	report, err := trial.Run(context.Background(), options)
	return report, progress.String(), err
}

func TestEveryFunctionOfAnImageIsTried(t *testing.T) {
	c := newConsole(t)
	c.good(0, "alpha")
	c.good(3, "beta")
	report, progress, err := try(t, guest{console: c.end()}.boots(t, "alpha", "beta"))
	require.NoError(t, err)
	require.Equal(t, isa.X86, report.ISA)
	require.Equal(t, "sha256:feed", report.Disk)
	require.Len(t, report.Outcomes, 6)
	require.Equal(t, trial.Outcome{Function: "beta", Mode: job.Warm, Calls: 3, Nanos: 4}, report.Outcomes[4], "the median of 3, 4, 5")
	require.Positive(t, report.Up)
	require.Equal(t, 6, strings.Count(progress, " ok\n"), progress)
}

func TestInstructionsAreThoseOfTheMedianCall(t *testing.T) {
	c := newConsole(t)
	c.good(0, "alpha")
	var counts strings.Builder
	at := [2]int{1000, 1000}
	for _, n := range [][2]int{{7, 5000}, {1, 30}, {2, 10}, {3, 20}, {4, 40}, {5, 50}} {
		fmt.Fprintf(&counts, "begin %d %d\n", at[0], at[1])
		at[0], at[1] = at[0]+n[0], at[1]+n[1]
		fmt.Fprintf(&counts, "end %d %d\n", at[0], at[1])
		at[0] += 100
	}
	fmt.Fprintf(&counts, "total %d %d\n", at[0], at[1])
	count := func(o *trial.Options) { o.Count, o.Functions = true, []string{"alpha"} }
	report, _, err := try(t, guest{console: c.end(), counts: counts.String()}.boots(t, "alpha", "beta"), count)
	require.NoError(t, err)
	var got [][2]uint64
	for _, o := range report.Outcomes {
		got = append(got, o.Instructions)
	}
	require.Equal(t, [][2]uint64{{7, 5000}, {3, 20}, {5, 50}}, got, "cold, warm, lukewarm")

	short := strings.Replace(counts.String(), "begin 1000 1000\nend 1007 6000\n", "", 1)
	_, _, err = try(t, guest{console: c.text.String(), counts: short}.boots(t, "alpha", "beta"), count)
	require.ErrorContains(t, err, "5 calls were counted, the records tell of 6")
}

func TestEveryFailureIsNamedWithItsReason(t *testing.T) {
	for _, c := range []struct {
		name  string
		guest func(c *console) guest
		want  []string
		not   []string
	}{
		{"a wrong reply", func(c *console) guest {
			c.good(0, "alpha")
			c.fails(3, job.Call, "beta", "beta (default, call 0): wrong reply: 2, want 1; its last words:\nlistening")
			c.step(4, "beta", job.Warm, 2, 3)
			c.step(5, "beta", job.Lukewarm, 1, 2)
			return guest{console: c.end()}
		}, []string{"beta failed cold: beta (default, call 0): wrong reply: 2, want 1", "  listening", "agent: off"}, []string{"alpha failed", "beta failed warm"}},
		{"a function that is never ready", func(c *console) guest {
			c.good(0, "alpha")
			for i := range 3 {
				c.fails(3+i, job.Init, "beta", "init beta: not done after 8m0s")
			}
			return guest{console: c.end()}
		}, []string{"beta failed cold: init beta: not done", "beta failed warm: init beta", "beta failed lukewarm: init beta"}, []string{"alpha failed"}},
		{"a function that is not in the catalog: its steps write no record", func(c *console) guest {
			c.good(0, "alpha")
			c.failed = append(c.failed, `step 3: beta: unknown function "beta"`, `step 4: beta: unknown function "beta"`)
			return guest{console: c.end()}
		}, []string{`beta failed cold: beta: unknown function "beta"`, "beta failed lukewarm: the agent did not try it"}, []string{"alpha failed"}},
		{"one that takes others down with it, as an interleaved call", func(c *console) guest {
			c.step(0, "alpha", job.Cold, 0, 1)
			c.step(1, "alpha", job.Warm, 2, 3)
			c.fails(2, job.Call, "beta", "beta (default, call 0): it died during the call")
			c.good(3, "beta")
			return guest{console: c.end()}
		}, []string{"alpha failed lukewarm: beta (default, call 0): it died during the call"}, []string{"beta failed", "alpha failed cold"}},
		{"the guest panics on the way", func(c *console) guest {
			c.good(0, "alpha")
			c.step(3, "beta", job.Cold, 0, 1)
			return guest{console: c.text.String() + "Kernel panic - not syncing: out of memory\n"}
		}, []string{"beta failed warm: the guest panicked: Kernel panic - not syncing: out of memory", "beta failed lukewarm: the guest"}, []string{"alpha failed", "beta failed cold"}},
		{"the guest hangs on the way", func(c *console) guest {
			c.good(0, "alpha")
			return guest{console: c.text.String(), then: "exec sleep 600"}
		}, []string{"beta failed cold: the guest hang: not done after"}, []string{"alpha failed"}},
		{"a record is damaged", func(c *console) guest {
			c.good(0, "alpha")
			c.good(3, "beta")
			return guest{console: strings.Replace(c.end(), `"n":1`, `"n":7`, 1)}
		}, []string{"damaged record"}, []string{"alpha failed cold"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.guest(newConsole(t)).boots(t, "alpha", "beta")
			report, _, err := try(t, o, func(o *trial.Options) {
				if strings.Contains(c.name, "hangs") {
					o.Deadline = 6 * time.Second // long enough for a console on a busy machine
				}
			})
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			for _, not := range c.not {
				require.NotContains(t, err.Error(), not)
			}
			require.Len(t, report.Outcomes, 6, "the report is whole")
		})
	}
}

func TestWhatCannotBeTried(t *testing.T) {
	_, _, err := try(t, images.Options{Out: t.TempDir()})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = try(t, guest{}.boots(t))
	require.ErrorContains(t, err, "the image holds no functions")
	_, _, err = try(t, guest{}.boots(t, "alpha", "beta"), func(o *trial.Options) { o.Functions = []string{"gamma", "beta", "delta"} })
	require.ErrorContains(t, err, `the image holds no function "gamma": there are alpha, beta`)
	require.ErrorContains(t, err, `no function "delta"`)
}

func TestPlan(t *testing.T) {
	t.Parallel()
	names := []string{"fibonacci-go", "geo", "user"}
	j := trial.Plan(names, names, trial.Deadlines)
	require.NoError(t, j.Check())
	require.Len(t, j.Steps, 9)
	for i, s := range j.Steps {
		require.Equal(t, names[i/3], s.Function)
		require.Equal(t, trial.Modes[i%3], s.Mode)
		for _, other := range s.Mix.Functions {
			require.NotEqual(t, s.Function, other.Function, "nobody interleaves with itself")
			require.Contains(t, names, other.Function)
		}
	}
	for _, c := range []struct {
		name         string
		present, mix []string
	}{
		{"some of each runtime, where they are", names, []string{"fibonacci-go", "user"}},
		{"else the empty call", []string{"geo", "null", "other"}, []string{"null"}},
		{"else all others", []string{"geo", "one", "two"}, []string{"one", "two"}},
	} {
		j := trial.Plan([]string{"geo"}, c.present, job.Deadlines{})
		require.NoError(t, j.Check(), c.name)
		var mix []string
		for _, f := range j.Steps[2].Mix.Functions {
			mix = append(mix, f.Function)
		}
		require.Equal(t, c.mix, mix, c.name)
	}
	alone := trial.Plan([]string{"geo"}, []string{"geo"}, job.Deadlines{})
	require.NoError(t, alone.Check())
	require.Len(t, alone.Steps, 2, "nobody is there to make it lukewarm")
}
