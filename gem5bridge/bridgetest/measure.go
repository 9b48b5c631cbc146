package bridgetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
)

// Connect starts a plugin that ends with the test.
func Connect(t *testing.T, config gem5bridge.Config) *gem5bridge.Simulator {
	t.Helper()
	s, err := gem5bridge.Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// Condition is the condition of that word.
func Condition(t *testing.T, word string) servicetime.Condition {
	t.Helper()
	c, err := servicetime.ParseCondition(word)
	require.NoError(t, err)
	return c
}

// Cells are cells of one function's default input in several conditions, count
// samples each.
func Cells(t *testing.T, function string, count int, conditions ...string) []gem5bridge.Cell {
	t.Helper()
	var all []gem5bridge.Cell
	for _, word := range conditions {
		all = append(all, gem5bridge.Cell{Function: function, Input: functions.DefaultClass, Condition: Condition(t, word), Count: count})
	}
	return all
}

// Sample runs a job to its end, sorts its samples by status, and returns the error
// that ended it.
func Sample(t *testing.T, s *gem5bridge.Simulator, job gem5bridge.Job) (map[servicetime.Status][]servicetime.Sample, error) {
	t.Helper()
	by := map[servicetime.Status][]servicetime.Sample{}
	for one, err := range s.Sample(t.Context(), job, nil) {
		if err != nil {
			return by, err
		}
		require.NoError(t, one.Check())
		by[one.Status] = append(by[one.Status], one)
	}
	return by, nil
}
