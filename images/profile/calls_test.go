package profile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/profile"
)

func TestCallsAreWhatLiesBetweenLandmarks(t *testing.T) {
	t.Parallel()
	calls, err := profile.ParseCalls(strings.NewReader("begin 100 10\nend 140 35\nbegin 200 35\nend 200 36\ntotal 900 900\n"))
	require.NoError(t, err)
	require.Equal(t, []profile.Call{{Instructions: [2]uint64{40, 25}}, {Instructions: [2]uint64{0, 1}}}, calls)
	none, err := profile.ParseCalls(strings.NewReader("total 5 5\n"))
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestBadCountsOfCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"QEMU was killed", "begin 1 1\nend 2 2\n", "no end"},
		{"empty", "", "no end"},
		{"an end before its begin", "end 1 1\n", "line 1: end is out of order"},
		{"a call in a call", "begin 1 1\nbegin 2 2\n", "line 2: begin is out of order"},
		{"another plugin's", "mark ffff 5\n", "line 1"},
		{"backwards", "begin 5 5\nend 4 6\n", "line 2 counts backwards"},
		{"an unknown word", "start 5 5\n", "start is out of order"},
	} {
		_, err := profile.ParseCalls(strings.NewReader(c.text))
		require.ErrorContains(t, err, c.want, c.name)
	}
}

func FuzzParseCalls(f *testing.F) {
	f.Add("begin 100 10\nend 140 35\ntotal 900 900\n")
	f.Fuzz(func(t *testing.T, text string) {
		calls, err := profile.ParseCalls(strings.NewReader(text))
		if err == nil {
			require.LessOrEqual(t, 2*len(calls)+1, strings.Count(text, "\n")+1)
		}
	})
}
