package experiment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
)

// The example runs as it stands, each factor does something, and the stages of its
// cold starts add up.
func TestKubernetesExample(t *testing.T) {
	t.Parallel()
	s, err := scenario.Load("../scenario/examples/kubernetes.yaml")
	require.NoError(t, err)
	r, err := experiment.Simulate(t.Context(), s, experiment.Options{})
	require.NoError(t, err)
	require.Len(t, r.Runs, 4)
	for _, run := range r.Runs {
		require.NoError(t, run.Account.Balance())
		require.Zero(t, run.Account.Failed+run.Account.Rejected)
		mean := func(stage string) float64 { return marginalMetric(t, run.Starts, stage, "took_mean").Est }
		require.InEpsilon(t, mean("start"), mean("schedule")+mean("pull")+mean("create")+mean("init"), .1, "what is missing are tokens of the kubelet")
		require.Greater(t, mean("pull"), 0.)
	}
	serial := marginalMetric(t, r.Runs[0].Starts, "pull", "took_mean").Est
	parallel := marginalMetric(t, r.Runs[2].Starts, "pull", "took_mean").Est
	require.NotEqual(t, serial, parallel)
	require.NotEqual(t, r.Runs[0].Nodes, r.Runs[1].Nodes, "the strategy places differently")
	require.Contains(t, strings.Join(r.Notes, "\n"), "GiB of layers")
	again, err := experiment.Simulate(t.Context(), s, experiment.Options{Slots: 1})
	require.NoError(t, err)
	a, err := r.JSON()
	require.NoError(t, err)
	b, err := again.JSON()
	require.NoError(t, err)
	require.Equal(t, string(a), string(b), "byte by byte")
}
