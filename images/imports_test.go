package images_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
	"microcosm/images"
	"microcosm/images/archive"
	"microcosm/images/imported"
	"microcosm/images/pack"
	"microcosm/images/rootfs"
	"microcosm/images/trial"
)

// importedHere are functions of each runtime, and one with a database. As images all
// listen where their configuration says, three of them at one port.
var importedHere = []string{"aes-python", "auth-nodejs", "fibonacci-go", "user"}

// TestGuestRunsImportedImages packs every function of the catalog, takes some in as
// images that somebody else made, and has each answer cold, warm and between calls of
// the others.
func TestGuestRunsImportedImages(t *testing.T) {
	o := guest(t)
	catalog, err := functions.Load()
	require.NoError(t, err)
	installed := t.TempDir()
	install := exec.Command("make", "-C", "../functions", "install", "DESTDIR="+installed, "GOARCH="+o.ISA.GoArch(), "PYTHON="+rootfs.Python)
	out, err := install.CombinedOutput()
	require.NoError(t, err, string(out))
	o.Agent, o.Staged = "./guest/cmd/agent", filepath.Join(t.TempDir(), o.ISA.String())
	into := imported.Into{Dir: filepath.Dir(o.Staged), ISA: o.ISA}
	for _, name := range catalog.Names() {
		f, err := catalog.Lookup(name)
		require.NoError(t, err)
		i := pack.Image{Function: f, ISA: o.ISA, Dir: filepath.Join(installed, name)}
		if f.Runtime != functions.Go {
			i.Base, err = images.LayerDirs(context.Background(), o, f)
			require.NoError(t, err)
		}
		file := filepath.Join(installed, name+".tar")
		_, err = pack.Write(file, i)
		require.NoError(t, err)
		if slices.Contains(importedHere, name) {
			takeIn(t, into, f, file)
		}
		require.NoError(t, os.Remove(file))
	}
	build(t, o)
	report, err := trial.Run(context.Background(), trial.Options{Image: o, Deadline: 20 * time.Minute})
	require.NoError(t, err)
	require.Len(t, report.Outcomes, len(importedHere)*len(trial.Modes))
	t.Logf("up after %.1f s, %.1f s in all", report.Up.Seconds(), report.Wall.Seconds())
}

// takeIn imports the image in a file as NAME-imported.
func takeIn(t *testing.T, into imported.Into, f *functions.Function, file string) {
	t.Helper()
	a, err := archive.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	asked, err := functions.Defined(f.Name)
	require.NoError(t, err)
	_, err = imported.Import(into, imported.Function{Name: f.Name + "-imported", Source: imported.Source{Archive: a}, Definition: asked})
	require.NoError(t, err)
}
