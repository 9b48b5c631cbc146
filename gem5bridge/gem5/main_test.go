package gem5_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/gem5"
	"microcosm/gem5bridge/gem5/standin"
)

const standInRole = "gem5 stand-in"

func TestMain(m *testing.M) {
	bridgetest.Main(tests{m}, map[string]func(){
		"gem5": func() {
			if err := gem5.Main(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
		standInRole: func() { os.Exit(standin.Main(os.Args[1:])) },
	})
}

// tests removes what the tests have shared.
type tests struct{ *testing.M }

// Run implements goleak.TestingM.
func (t tests) Run() int {
	code := t.M.Run()
	if err := os.RemoveAll(shared.folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// shared is a working directory in which a job has been done, for tests that begin
// where boots, warm checkpoints and the null call are there already.
var shared struct {
	once   sync.Once
	folder string
}

// prepared is a job without cells whose working directory holds the checkpoints of
// warm calls of fibonacci-go.
func prepared(t *testing.T) gem5bridge.Job {
	t.Helper()
	job := base(t)
	shared.once.Do(func() {
		folder, err := os.MkdirTemp("", "gem5-test-")
		require.NoError(t, err)
		shared.folder = folder
		job := job
		job.WorkDir = folder
		job.Cells = bridgetest.Cells(t, "fibonacci-go", 2, "warm")
		_, err = bridgetest.Sample(t, bridgetest.Connect(t, plugin(t)), job)
		require.NoError(t, err)
	})
	require.NoError(t, os.CopyFS(job.WorkDir, os.DirFS(shared.folder)))
	return job
}

// program writes a gem5 that is the stand-in, and returns its path.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "gem5")
	script := fmt.Sprintf("#!/bin/sh\nexport BRIDGETEST_ROLE=%q\nexec %q \"$@\"\n", standInRole, self)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
	return path
}

// guestImages writes images for the stand-in.
func guestImages(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, standin.Images(root))
	return root
}

// plugin is how to start the back end over the stand-in.
func plugin(t *testing.T, env ...string) gem5bridge.Config {
	t.Helper()
	config := bridgetest.Plugin("gem5")
	config.Env = append(config.Env, gem5.Variable+"="+program(t), gem5.ImagesVariable+"="+guestImages(t), "MICROCOSM_JOBS="+t.TempDir())
	config.Env = append(config.Env, env...)
	config.StartTimeout = 2 * time.Minute // the machine may be busy
	return config
}

var goMix = gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: []string{"fibonacci-go", "aes-go", "auth-go"}}
