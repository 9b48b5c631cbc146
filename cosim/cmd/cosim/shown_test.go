package main

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
	"microcosm/cosim/reality"
	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/job"
)

// TestHowFarAJobIs: the time that is left is by the wall clock, at the share of a
// core that the job has had.
func TestHowFarAJobIs(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	halfACore := job.Progress{ // 10 of 30 items in 100 s of CPU time, after 200 s; the first took 10 s
		At: begun.Add(200 * time.Second), Items: 10, Of: 30, CPU: 100 * time.Second, FirstItem: 10 * time.Second,
	}
	cpuLeft, known := halfACore.Left()
	require.True(t, known)
	for situation, c := range map[string]struct {
		change func(*job.Record)
		left   string
		items  string
		state  string
	}{
		"half a core":           {func(*job.Record) {}, (2 * cpuLeft).Truncate(time.Second).String(), "10/30", "running"},
		"it has ended":          {func(r *job.Record) { r.End = &job.End{At: begun.Add(90 * time.Second), Verdict: job.GuestHang} }, "-", "10/30", "guest hang"},
		"nothing is done":       {func(r *job.Record) { r.Progress.Items, r.Progress.FirstItem = 0, 0 }, "-", "0/30", "running"},
		"nobody knows how much": {func(r *job.Record) { r.Progress.Of = 0 }, "-", "10", "running"},
		"it used no CPU":        {func(r *job.Record) { r.Progress.CPU = 0 }, "-", "10/30", "running"},
		"the clock went back":   {func(r *job.Record) { r.Progress.At = begun.Add(-time.Second) }, "-", "10/30", "running"},
	} {
		record := job.Record{ID: "abc", Begun: begun, Progress: halfACore}
		c.change(&record)
		s := statusOf(record, begun.Add(300*time.Second))
		require.Equal(t, c.left, left(s.Left), situation)
		require.Equal(t, c.items, items(record.Progress), situation)
		s.State, s.Stuck = job.Running, ""
		require.Equal(t, strings.ReplaceAll(c.state, " ", ""), strings.NewReplacer(" ", "", "-", "").Replace(shownState(s)), situation)
	}
	require.Equal(t, "stuck", shownState(jobStatus{State: job.Running, Stuck: "no tick"}))
	require.Equal(t, "5m0s", age(job.Record{Begun: begun}, begun.Add(300*time.Second)))
	require.Equal(t, "1m30s", age(job.Record{Begun: begun, End: &job.End{At: begun.Add(90 * time.Second)}}, begun.Add(300*time.Second)))
}

// TestTheTableOfJobs: stuck ones are named beside it, and quarantine is told.
func TestTheTableOfJobs(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	seconds := 61.9
	require.NoError(t, a.printJobs(jobsReport{
		Jobs: []jobStatus{
			{Record: job.Record{ID: "aaa", What: "skylake-x86 aes-go warm", Begun: now.Add(-time.Hour), Progress: job.Progress{Items: 3, Of: 4, Phase: "measure"}}, State: job.Running, MIPS: 1.234, Left: &seconds},
			{Record: job.Record{ID: "bbb", What: "boot", Begun: now.Add(-time.Minute)}, State: job.Running, Stuck: "no tick for an hour"},
		},
		Quarantined: []job.Entry{{Subject: "aes-go flush"}},
	}, now))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, []string{"aaa", "running", "measure", "3/4", "1.23", "1h0m0s", "1m1s", "skylake-x86", "aes-go", "warm"}, strings.Fields(lines[1]))
	require.Equal(t, []string{"bbb", "stuck", "-", "0", "0.00", "1m0s", "-", "boot"}, strings.Fields(lines[2]))
	require.Contains(t, errs.String(), "bbb is stuck: no tick for an hour; cosim kill bbb ends it\n")
	require.Contains(t, errs.String(), "aes-go flush")
}

func TestWhatWasEndedIsListed(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs}
	require.NoError(t, a.printEnded(nil))
	require.Empty(t, out.String())
	require.Equal(t, "nothing was ended\n", errs.String())
	require.NoError(t, a.printEnded([]ended{{"abc", "aes-go warm", "past its deadline"}}))
	require.Equal(t, "abc  aes-go warm: past its deadline\n", out.String())
	out.Reset()
	a.json = true
	require.NoError(t, a.printEnded([]ended{}))
	require.JSONEq(t, "[]", out.String())
}

func TestRatiosWithAndWithoutIntervals(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]metrics.Estimate{
		"2.50 [2.00, 3.00]": {Est: 2.5, Lo: 2, Hi: 3, Status: metrics.StatusOK},
		"2.50":              metrics.NotEstimable(2.5, 1, "m", "one restore"),
		"-":                 metrics.NotEstimable(math.NaN(), 0, "m", "nothing"),
	} {
		require.Equal(t, want, ratio(e))
	}
	var out bytes.Buffer
	require.NoError(t, printSlowdowns(&out, nil))
	require.Equal(t, 2, strings.Count(out.String(), "\n"), "heads, and what is published")
	require.ErrorIs(t, printSlowdowns(shut{}, nil), io.ErrClosedPipe)
}

// shut is a pipe whose reader has gone.
type shut struct{}

func (shut) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestAReaderThatGoesAwayIsAnError: what could not be written is not called done.
func TestAReaderThatGoesAwayIsAnError(t *testing.T) {
	workplace(t, map[string]string{"good.yaml": theory})
	cosim(t, exitOK, "run", "good.yaml", "--out", "out")
	for _, line := range []string{
		"run good.yaml", "run good.yaml --json", "report out", "report out --json", "compare out/result.json good.yaml", "compare out/result.json good.yaml --json",
		"store list", "store list --json", "store slowdown", "version --json", "jobs --json", "doctor --json",
	} {
		var errs bytes.Buffer
		require.Equal(t, exitFailed, run(strings.Fields(line), nil, shut{}, &errs), line)
		require.Contains(t, errs.String(), io.ErrClosedPipe.Error(), line)
	}
}

// TestWhatIsMissingIsListed, cell by cell, and counted.
func TestWhatIsMissingIsListed(t *testing.T) {
	t.Parallel()
	m := &measurer{platform: gem5bridge.Platform{Name: "board-7"}}
	flush := servicetime.Condition{Kind: servicetime.Flush}
	cells := []gem5bridge.Cell{
		{Function: "aes-go", Input: "default", Condition: flush, First: 3, Count: 4}, {Function: "auth-go", Input: "long", Condition: servicetime.LukewarmAfter(2), Count: 5},
	}
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs}
	require.NoError(t, a.printMissing(m, cells, 5))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, []string{"board-7", "aes-go", "default", "flush", "1", "of", "5"}, strings.Fields(lines[0]))
	require.Equal(t, []string{"board-7", "auth-go", "long", "lukewarm:2", "0", "of", "5"}, strings.Fields(lines[1]))
	require.Equal(t, "9 samples are missing in 2 cells\n", errs.String())
	out.Reset()
	a.json = true
	require.NoError(t, a.printMissing(m, cells[:1], 5))
	require.JSONEq(t, `[{"platform": "board-7", "function": "aes-go", "input": "default", "condition": "flush", "valid": 1, "missing": 4}]`, out.String())
	out.Reset()
	require.NoError(t, a.printMissing(m, nil, 5))
	require.JSONEq(t, "[]", out.String())
}

// TestABarIsForTerminals, and steps may come from anywhere.
func TestABarIsForTerminals(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	p := (&app{err: &errs, terminal: true}).progress("replications", 400)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 100 {
				p.step()
			}
		})
	}
	workers.Wait()
	p.finish()
	require.Equal(t, 400, p.done)
	require.Regexp(t, `replications +400 / 400`, errs.String())
	require.Contains(t, errs.String(), "100.00%")

	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	require.False(t, isTerminal(file), "a file is none")
	require.NoError(t, file.Close())
	require.False(t, isTerminal(file), "nor is what is closed")
	require.False(t, isTerminal(&errs))
}

// TestTheDocumentOfRealityReplacesItselfOnly.
func TestTheDocumentOfRealityReplacesItselfOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "REALITY.md")
	require.NoError(t, checkReality(path))
	require.NoError(t, writeReality(path, &reality.Report{Platform: "alpha"}))
	require.NoError(t, checkReality(path), "its own is replaced")
	require.NoError(t, writeReality(path, &reality.Report{Platform: "beta"}))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "beta")
	require.NotContains(t, string(text), "alpha")
	require.True(t, strings.HasSuffix(string(text), "```\n"))
	require.NoError(t, os.WriteFile(path, []byte("# The simulator\n"), 0o600))
	require.ErrorContains(t, checkReality(path), "it is left alone: name another file")
	require.ErrorContains(t, checkReality(filepath.Dir(path)), "name another file")
	require.ErrorContains(t, checkReality(filepath.Join(path, "below")), "not a directory")
}

// TestMistakesOfARealityCheckStandTogether.
func TestMistakesOfARealityCheckStandTogether(t *testing.T) {
	t.Parallel()
	good := reality.Check{Functions: []string{"aes-go"}, Input: "default", Rounds: 3, Duration: time.Second, Resamples: 1}
	r := realityCheck{utilizations: []string{"50%", ".2", "10%"}, wanted: 3, check: good}
	require.NoError(t, r.complete())
	require.InDeltaSlice(t, []float64{.5, .2, .1}, r.check.Utilizations, 1e-12)
	r = realityCheck{utilizations: []string{"lots", "-5%", "50%"}, wanted: 2, check: good}
	err := r.complete()
	for _, says := range []string{`--utilization "lots": want a share such as 50%`, "-n 2: want one sample"} {
		require.ErrorContains(t, err, says)
	}
	require.True(t, errors.As(err, new(usageError)))
}
