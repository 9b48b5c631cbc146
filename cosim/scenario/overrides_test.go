package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/scenario"
)

func TestParseOverrides(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"":                                  {},
		"l2.size=2MiB":                      {"l2.size": "2MiB"},
		" l2.size = 2MiB,queue.rob=128 ":    {"l2.size": "2MiB", "queue.rob": "128"},
		"predictor.direction=tage-sc-l-8KB": {"predictor.direction": "tage-sc-l-8KB"},
	} {
		got, err := scenario.ParseOverrides(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"l2.size":                   "want NAME=VALUE",
		"l2.size=":                  "want NAME=VALUE",
		"=2MiB":                     "want NAME=VALUE",
		"l2.size=1MiB,":             "want NAME=VALUE",
		"l2.size=1MiB,l2.size=2MiB": "given twice",
	} {
		_, err := scenario.ParseOverrides(text)
		require.ErrorContains(t, err, want, text)
	}
}
