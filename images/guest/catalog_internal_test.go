//go:build linux

package guest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
)

// bring puts a function.yaml into a catalog's folder, derived from a shipped one.
func bring(t *testing.T, folder, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, name), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name, "function.yaml"), []byte(text), 0o644))
}

func TestTheCatalogReadsWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	shipped, err := functions.Load()
	require.NoError(t, err)
	c := newCatalog()
	c.folder = t.TempDir()
	for _, name := range shipped.Names() {
		want, err := shipped.Lookup(name)
		require.NoError(t, err)
		got, err := c.Lookup(name)
		require.NoError(t, err, name)
		require.Equal(t, want.Classes(), got.Classes(), name)
		for _, class := range want.Classes() {
			a, errA := want.Call(class, 7, 3)
			b, errB := got.Call(class, 7, 3)
			require.NoError(t, errA)
			require.NoError(t, errB)
			require.Equal(t, a.Method, b.Method)
			require.Equal(t, a.Request, b.Request, "%s/%s: the same requests as in the whole catalog", name, class)
		}
		again, err := c.Lookup(name)
		require.NoError(t, err)
		require.Same(t, got, again, "it is read once")
	}
}

func TestTheCatalogKnowsTheImagesOwnFunctions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../functions/null/function.yaml")
	require.NoError(t, err)
	c := newCatalog()
	c.folder = t.TempDir()
	bring(t, c.folder, "null", string(text))
	bring(t, c.folder, "broken", "name: broken\nport: many\n")
	bring(t, c.folder, "other", string(text))

	_, err = c.Lookup("null")
	require.ErrorContains(t, err, `function "null" ships with the product and is in the image as well: rename that one`)
	var mistake *functions.Mistake
	_, err = c.Lookup("broken")
	require.ErrorAs(t, err, &mistake)
	require.Equal(t, "function.yaml", mistake.File)
	for _, name := range []string{"other", "nowhere", "", ".", "..", "../null", "/etc"} {
		_, err = c.Lookup(name)
		require.ErrorIs(t, err, functions.ErrUnknownFunction, "%q", name)
	}
}
