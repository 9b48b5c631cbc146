package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/scenario"
)

// TestSchemaAcceptsWhatTheReaderAccepts holds the schema against every example,
// as written and in canonical form.
func TestSchemaAcceptsWhatTheReaderAccepts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Empty(t, scenario.Violations(t, text), file)
		skip := strings.Contains(file, "invitro")
		if s, err := scenario.Load(file); !skip || err == nil {
			require.NoError(t, err)
			require.Empty(t, scenario.Violations(t, s.Canonical()), file)
		}
	}
}

// TestSchemaRefusesWhatTheReaderRefuses holds it against the bad scenarios
// whose mistakes do not need a view of the whole.
func TestSchemaRefusesWhatTheReaderRefuses(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/mistakes.txtar")
	require.NoError(t, err)
	least := map[string]int{ // of the violations a schema can see
		"unknown-keys.yaml": 11, "wrong-units.yaml": 17, "wrong-types.yaml": 22, "out-of-range.yaml": 18,
		"missing.yaml": 13, "contradictions.yaml": 6, "unknown-words.yaml": 11, "not-a-mapping.yaml": 1,
	}
	for _, f := range archive.Files {
		if n, ok := least[f.Name]; ok {
			require.GreaterOrEqual(t, len(scenario.Violations(t, f.Data)), n, "%s: %v", f.Name, scenario.Violations(t, f.Data))
			delete(least, f.Name)
		}
	}
	require.Empty(t, least)
}
