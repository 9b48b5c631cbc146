package experiment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
)

// The example runs as it stands: the more memory is given out, the less calls wait
// for a sandbox, and the more sandboxes are ended because their node has none left.
// Where no more is given out than there is, none are.
func TestResourcesExample(t *testing.T) {
	t.Parallel()
	s, err := scenario.Load("../scenario/examples/resources.yaml")
	require.NoError(t, err)
	r, err := experiment.Simulate(t.Context(), s, experiment.Options{})
	require.NoError(t, err)
	notes := strings.Join(r.Notes, "\n")
	require.Contains(t, notes, "for using more memory than they may")
	require.Contains(t, notes, "a sandbox had used up its CPU limit")
	require.Equal(t, 2, strings.Count(notes, "because their node had no memory left"), "at 200 % and at 400 %: %s", notes)
	require.Len(t, r.Runs, 3)
	for _, run := range r.Runs {
		require.NoError(t, run.Account.Balance())
	}
	require.Less(t, r.Runs[0].Account.Retries, r.Runs[2].Account.Retries)
}
