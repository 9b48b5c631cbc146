package gem5bridge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
)

var warm = servicetime.Condition{Kind: servicetime.Warm}

func goodJob() gem5bridge.Job {
	return gem5bridge.Job{
		Cells: []gem5bridge.Cell{
			{Function: "alpha", Input: "default", Condition: warm, Count: 3},
			{Function: "alpha", Input: "default", Condition: servicetime.LukewarmAfter(2), Count: 1},
		},
		Mix:      gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: []string{"alpha", "beta"}},
		Deadline: time.Second,
	}
}

func TestJobCheck(t *testing.T) {
	t.Parallel()
	require.NoError(t, goodJob().Check())
	tests := []struct {
		name  string
		spoil func(*gem5bridge.Job)
		want  string
	}{
		{"no cells", func(j *gem5bridge.Job) { j.Cells = nil }, "no cells"},
		{"no deadline", func(j *gem5bridge.Job) { j.Deadline = 0 }, "deadline 0s"},
		{"negative slots", func(j *gem5bridge.Job) { j.Slots = -2 }, "slots -2"},
		{"no function", func(j *gem5bridge.Job) { j.Cells[0].Function = "" }, "cell 0 (/default warm): no function"},
		{"no input", func(j *gem5bridge.Job) { j.Cells[0].Input = "" }, "no input class"},
		{"negative first", func(j *gem5bridge.Job) { j.Cells[1].First = -1 }, "cell 1 (alpha/default lukewarm:2): first sample -1"},
		{"no samples", func(j *gem5bridge.Job) { j.Cells[1].Count = 0 }, "0 samples"},
		{"no condition", func(j *gem5bridge.Job) { j.Cells[0].Condition = servicetime.Condition{} }, "no such condition"},
		{"a condition with fields of another", func(j *gem5bridge.Job) { j.Cells[0].Condition.K = 3 }, "no such condition"},
		{"a cell twice", func(j *gem5bridge.Job) { j.Cells[1] = j.Cells[0]; j.Cells[1].First = 9 }, "given twice"},
		{"another mix", func(j *gem5bridge.Job) { j.Cells[1].Condition.Mix = "pair" }, `mix "pair", but the job's mix is "catalog"`},
		{"nobody to interleave", func(j *gem5bridge.Job) { j.Mix.Functions = []string{"alpha"} }, "names no other function"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := goodJob()
			test.spoil(&job)
			err := job.Check()
			require.ErrorIs(t, err, gem5bridge.ErrInvalidJob)
			require.ErrorContains(t, err, test.want)
			require.Len(t, bridgetest.Leaves(err), 1)
		})
	}
	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		job := goodJob()
		for _, test := range tests[1:5] {
			test.spoil(&job)
		}
		require.Len(t, bridgetest.Leaves(job.Check()), 4)
	})
}

func TestSeedDependsOnAllOfItsArgumentsAndOnNothingElse(t *testing.T) {
	t.Parallel()
	key := servicetime.Key{Function: "aes-go", Image: "sha256:1", Input: "default", Platform: "p", PlatformDigest: "d", Condition: warm, Stack: "s"}
	want := gem5bridge.Seed(1, key, 0)
	require.Equal(t, uint64(0x2f685651dbb9fa50), want, "changing the seeds invalidates recorded campaigns")
	seen := map[uint64]bool{want: true}
	other := key
	other.Condition = servicetime.LukewarmAfter(1)
	for _, seed := range []uint64{gem5bridge.Seed(2, key, 0), gem5bridge.Seed(1, other, 0), gem5bridge.Seed(1, key, 1), gem5bridge.Seed(1, key, 11), gem5bridge.Seed(11, key, 1)} {
		require.False(t, seen[seed])
		seen[seed] = true
	}
}
