package knative_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane/knative"
)

// The walks in testdata were made by Knative's own code: ConfigMap and
// annotations resolved, windows filled and decisions taken by knative/serving at
// commit 98e5ef9. WALKS.md tells how.
func TestDecisionsAreThoseOfKnative(t *testing.T) {
	t.Parallel()
	walks, err := filepath.Glob("testdata/walks/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, walks)
	var answers, panics, invalid, lines int
	for _, walk := range walks {
		text, err := os.ReadFile(walk)
		require.NoError(t, err)
		lines += bytes.Count(text, []byte("\n"))
		require.NoError(t, knative.Replay(bytes.NewReader(text), func(a knative.Answer) error {
			answers++
			if a.Panics {
				panics++
			}
			if !a.Valid {
				invalid++
			}
			return nil
		}), walk)
		require.Equal(t, bytes.Count(text, []byte(`"want"`)), bytes.Count(text, []byte(`"decide"`)), "every decision is compared")
	}
	require.Greater(t, lines, 900)
	require.Greater(t, answers, 400)
	require.Greater(t, panics, 50, "panic is walked through")
	require.Less(t, panics, answers-50)
	require.Positive(t, invalid, "so is the lack of data")
}

func TestReplayTellsEveryDifferenceAndEveryMistake(t *testing.T) {
	t.Parallel()
	walk := strings.Join([]string{
		`{"settings": {"stable-window": "5s", "max-scale-up-rate": "1", "speed": "9"}, "annotations": {"autoscaling.knative.dev/target": "x"}}`,
		`{"at": 2000000000, "stats": [{"concurrency": 1, "requests": 1}], "raedy": 1}`,
		`{"at": 1}`,
		`{"at": 3, "stable": 1}`,
		`{"at": 2`,
	}, "\n")
	err := knative.Replay(strings.NewReader(walk), func(knative.Answer) error { return nil })
	require.ErrorIs(t, err, knative.ErrWalk)
	for _, says := range []string{
		"line 1: not a walk: stable-window: 5s: want whole seconds from 6s to 1h0m0s",
		"line 1: not a walk: max-scale-up-rate: 1: want more than 1",
		"line 1: not a walk: speed: is no setting",
		`line 1: not a walk: autoscaling.knative.dev/target: "x" is no value: want a number`,
		`line 2: not a walk: json: unknown field "raedy"`,
		"line 4: not a walk: stable and panic are given together",
		"line 5: not a walk: unexpected EOF",
	} {
		require.ErrorContains(t, err, says)
	}

	walk = `{}
{"at": 0, "ready": 1, "stats": [{"concurrency": 70, "requests": 1}], "decide": true, "want": {"valid": true, "stable": 70, "panic": 70, "desired": 1, "excess": -181, "panics": false}}

{"at": 2000000000, "ready": 1, "stable": 71, "panic": 71, "decide": true, "want": {"valid": true, "stable": 71, "panic": 71, "desired": 1, "excess": -182, "panics": true}}
`
	var got []knative.Answer
	err = knative.Replay(strings.NewReader(walk), func(a knative.Answer) error { got = append(got, a); return nil })
	var difference *knative.Difference
	require.ErrorAs(t, err, &difference)
	require.Equal(t, 4, difference.Line)
	require.EqualValues(t, 2, difference.Got.Desired, "71/70 rounds up")
	require.Len(t, got, 2)
	require.ErrorContains(t, knative.Replay(strings.NewReader("\n"), nil), "it is empty")
	stop := errors.New("stop")
	require.ErrorIs(t, knative.Replay(strings.NewReader(walk), func(knative.Answer) error { return stop }), stop)
}
