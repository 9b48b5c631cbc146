package scenario_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/scenario"
	"microcosm/functions"
)

// TestMistakes reads one bad scenario after the other and compares everything
// that is said about it with the archive.
func TestMistakes(t *testing.T) {
	t.Parallel()
	const file = "testdata/mistakes.txtar"
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	reader := scenario.Reader{Catalog: catalog(t)}
	said := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if !strings.HasSuffix(f.Name, ".yaml") {
			continue
		}
		_, err := reader.Parse(f.Name, f.Data)
		var mistakes *scenario.Mistakes
		require.ErrorAs(t, err, &mistakes, f.Name)
		want := txtar.File{Name: strings.TrimSuffix(f.Name, ".yaml") + ".want", Data: []byte(mistakes.Error() + "\n")}
		said.Files = append(said.Files, f, want)
	}
	if *scenario.Update {
		require.NoError(t, os.WriteFile(file, txtar.Format(said), 0o644))
		return
	}
	require.Equal(t, string(txtar.Format(archive)), string(txtar.Format(said)))
}

// catalog returns a few functions of the product's, so that golden files do not
// depend on how many there are.
func catalog(t *testing.T) *functions.Catalog {
	t.Helper()
	folders := fstest.MapFS{}
	for _, name := range []string{"aes-go", "aes-python", "auth-go", "fibonacci-go", "fibonacci-python"} {
		text, err := os.ReadFile("../../functions/" + name + "/function.yaml")
		require.NoError(t, err)
		folders[name+"/function.yaml"] = &fstest.MapFile{Data: text}
	}
	c, err := functions.Read(folders)
	require.NoError(t, err)
	return c
}

func TestMistakesAsJSON(t *testing.T) {
	t.Parallel()
	_, err := scenario.Parse("bad.yaml", []byte("seed: 1s\ncluster: {nodes: [{cores: 1}]}\nworkload: 3\n"))
	text, jsonErr := json.Marshal(err)
	require.NoError(t, jsonErr)
	require.JSONEq(t, `{"mistakes": [
		{"file": "bad.yaml", "line": 1, "column": 7, "key": "seed", "problem": "want a whole number from 0, not \"1s\"", "excerpt": "seed: 1s"},
		{"file": "bad.yaml", "line": 3, "column": 11, "key": "workload", "problem": "want keys such as functions, trace, map below, not 3", "excerpt": "workload: 3"}
	]}`, string(text))
}
