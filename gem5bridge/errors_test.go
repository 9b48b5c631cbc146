package gem5bridge_test

import (
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
)

func TestWhatErrorsSay(t *testing.T) {
	t.Parallel()
	command := exec.Command("/bin/sh", "-c", "exit 3")
	require.Error(t, command.Run())
	state := command.ProcessState
	warmCell := gem5bridge.Failure{Function: "aes-go", Input: "large", Condition: warm}
	with := func(kind error, text string) *gem5bridge.Failure {
		f := warmCell
		f.Kind, f.Text = kind, text
		return &f
	}
	for _, c := range []struct {
		err  error
		want string
		is   error
	}{
		{with(gem5bridge.ErrDeadline, "no reply within 1s"), "aes-go/large warm: invocation deadline hit: no reply within 1s", gem5bridge.ErrDeadline},
		{with(nil, "out of luck"), "aes-go/large warm: out of luck", nil},
		{with(gem5bridge.ErrCancelled, ""), "aes-go/large warm: cancelled", gem5bridge.ErrCancelled},
		{&gem5bridge.Failure{Kind: gem5bridge.ErrNotReady, Function: "aes-go", Input: "large", Text: "exit status 1"}, "aes-go: function not ready: exit status 1", gem5bridge.ErrNotReady},
		{gem5bridge.Mistake("slots %d: want %q", 0, "more"), `invalid job: slots 0: want "more"`, gem5bridge.ErrInvalidJob},
		{&gem5bridge.Failure{}, "", nil},
		{&gem5bridge.PluginDiedError{State: state}, "plugin died: exit status 3", gem5bridge.ErrPluginDied},
		{&gem5bridge.PluginDiedError{State: state, Stderr: []string{"first", "last"}}, "plugin died: exit status 3; its last words: first | last", gem5bridge.ErrPluginDied},
		{&gem5bridge.VersionError{Plugin: 2, Host: []int{1}}, "plugin speaks another version: it speaks protocol 2, cosim speaks [1]; rebuild cosim", gem5bridge.ErrVersion},
		{&gem5bridge.VersionError{Plugin: 1, Host: []int{2, 3}}, "plugin speaks another version: it speaks protocol 1, cosim speaks [2 3]; rebuild the plugin", gem5bridge.ErrVersion},
	} {
		require.EqualError(t, c.err, c.want)
		if c.is != nil {
			require.ErrorIs(t, fmt.Errorf("sample: %w", c.err), c.is)
		} else {
			require.NoError(t, errors.Unwrap(c.err))
		}
	}
}

// planted is a mistake that can be made in a job without making another.
type planted struct {
	name string
	make func(j *gem5bridge.Job, i int)
}

// TestEveryPlantedMistakeIsFoundAndNoOther plants mistakes at random in jobs of any
// size: as many are reported as were planted.
func TestEveryPlantedMistakeIsFoundAndNoOther(t *testing.T) {
	t.Parallel()
	inCells := []planted{
		{"no function", func(j *gem5bridge.Job, i int) { j.Cells[i].Function = "" }},
		{"no input", func(j *gem5bridge.Job, i int) { j.Cells[i].Input = "" }},
		{"first", func(j *gem5bridge.Job, i int) { j.Cells[i].First = -1 - i }},
		{"count", func(j *gem5bridge.Job, i int) { j.Cells[i].Count = -i }},
		{"condition", func(j *gem5bridge.Job, i int) {
			j.Cells[i].Condition = servicetime.Condition{Kind: servicetime.Warm, K: 1 + i}
		}},
		{"mix", func(j *gem5bridge.Job, i int) { j.Cells[i].Condition.Mix = "another" }},
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "cells")
		job := gem5bridge.Job{Mix: gem5bridge.Mix{Name: "pair", Functions: []string{"f0", "other"}}, Deadline: time.Second}
		for i := range n {
			c := servicetime.Condition{Kind: servicetime.Lukewarm, K: 1, Mix: "pair"}
			job.Cells = append(job.Cells, gem5bridge.Cell{Function: fmt.Sprintf("f%d", i), Input: "default", Condition: c, First: i, Count: 1 + i})
		}
		require.NoError(t, job.Check())
		want := 0
		if rapid.Bool().Draw(t, "no deadline") {
			job.Deadline = -time.Second
			want++
		}
		if rapid.Bool().Draw(t, "negative slots") {
			job.Slots = -1
			want++
		}
		emptied := false
		for i := range n {
			// One at most where mistakes hide each other.
			for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(inCells), 0, 3, func(p planted) string { return p.name }).Draw(t, "mistakes") {
				if (p.name == "condition" || p.name == "mix") && emptied || p.name == "no function" && emptied {
					continue
				}
				emptied = emptied || p.name == "condition" || p.name == "mix" || p.name == "no function"
				p.make(&job, i)
				want++
			}
		}
		leaves := bridgetest.Leaves(job.Check())
		require.Len(t, leaves, want, "%v", job.Check())
		for _, leaf := range leaves {
			require.ErrorIs(t, leaf, gem5bridge.ErrInvalidJob)
		}
	})
}

// TestNoTwoSamplesShareASeed looks for a seed that comes twice among many campaigns,
// keys and numbers.
func TestNoTwoSamplesShareASeed(t *testing.T) {
	t.Parallel()
	seen := map[uint64]string{}
	for campaign := range uint64(20) {
		for k := range 20 {
			key := servicetime.Key{Function: "f", Image: "i", Input: "d", Platform: "p", PlatformDigest: "x", Condition: servicetime.LukewarmAfter(k), Stack: "s"}
			for n := range 50 {
				seed := gem5bridge.Seed(campaign, key, n)
				is := fmt.Sprint(campaign, key, n)
				require.Empty(t, seen[seed], "%s and %s", is, seen[seed])
				seen[seed] = is
			}
		}
	}
	ones := 0
	for seed := range seen {
		for ; seed > 0; seed &= seed - 1 {
			ones++
		}
	}
	// 20 000 × 64 fair bits: five standard deviations are 2 830.
	require.InDelta(t, len(seen)*32, ones, 2830)
}

func TestTheMedianIsTheLowerOfTheMiddle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-9, 9), 1, 30).Draw(t, "values")
		middle := gem5bridge.Median(values)
		below, above := 0, 0
		for _, v := range values {
			if v < middle {
				below++
			}
			if v > middle {
				above++
			}
		}
		require.Contains(t, values, middle)
		require.LessOrEqual(t, 2*below, len(values)-1, "at most half are smaller")
		require.LessOrEqual(t, 2*above, len(values), "at most half are larger")
	})
}
