package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/reality"
	"microcosm/results/report"
)

// TestRealityIsAccountedFor runs a short check with real processes. How good the
// prediction is depends on how quiet the machine is and is not asserted; that
// every planned call is served and measured is.
func TestRealityIsAccountedFor(t *testing.T) {
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	installed := filepath.Join(root, "bin", "functions")
	if _, err := os.Stat(installed); err != nil {
		t.Skip("the functions are not installed: make functions")
	}
	document := filepath.Join(t.TempDir(), "REALITY.md")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "reality", "--json", "--functions", "fibonacci-go,aes-go", "--functions-dir", installed,
		"--utilization", "20%,40%", "--rounds", "3", "--duration", "400ms", "-n", "6", "--resamples", "5", "--seed", "3", "--out", document)
	cmd.Env = append(os.Environ(), cosimRole+"=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, errs.String())
	var r reality.Report
	require.NoError(t, json.Unmarshal(out, &r))
	require.Equal(t, reality.Schema, r.Schema)
	require.Equal(t, []string{"fibonacci-go", "aes-go"}, r.Functions)
	require.Equal(t, 2*6*6, r.Samples, "warm, lukewarm 1 2 4 8 and flush of two functions")
	require.Len(t, r.Levels, 2)
	for i, l := range r.Levels {
		require.InDelta(t, []float64{.2, .4}[i], l.Aimed, 1e-12)
		require.Positive(t, l.Planned)
		require.Equal(t, l.Planned, l.Served, "every planned call is measured")
		require.Less(t, l.Recorded, l.Served)
		require.Positive(t, l.Recorded)
		for _, n := range l.Numbers {
			require.Positive(t, n.Measured.Est, n.Name)
			if l.Unstable == "" {
				require.Positive(t, n.Predicted.Est, n.Name)
			}
		}
	}
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	var table bytes.Buffer
	require.NoError(t, report.Reality(&table, &r))
	require.Contains(t, string(text), table.String(), "the document has what the JSON has")
}
