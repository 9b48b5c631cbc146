package host_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/host"
)

// installed is where the functions of the catalog are for these tests.
var installed string

func TestMain(m *testing.M) {
	roles := map[string]func(){"host": plugin(functions.Load), "host of odd functions": plugin(oddCatalog), "awake": host.StayAwake}
	for name, play := range oddFunctions {
		roles[name] = play
	}
	bridgetest.Main(tests{m}, roles)
}

// tests installs the functions where the product looks for them, which takes no
// time where nothing changed.
type tests struct{ *testing.M }

// Run implements goleak.TestingM.
func (t tests) Run() int {
	root, err := filepath.Abs("../../bin/functions")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if out, err := exec.Command("make", "-C", "../../functions", "install", "DESTDIR="+root).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "install the functions: %v\n%s", err, out)
		return 1
	}
	installed = root
	return t.M.Run()
}

// plugin is the host back end for a catalog.
func plugin(load func() (*functions.Catalog, error)) func() {
	return func() {
		catalog, err := load()
		if err == nil {
			err = host.Serve(catalog)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// needsPython skips where the Python functions cannot run.
func needsPython(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf").CombinedOutput(); err != nil {
		t.Skipf("Python's gRPC is missing (Debian: python3-grpcio python3-protobuf): %s", out)
	}
}

// oddRoot is a folder of installed functions that holds the null call, too.
func oddRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(root, servicetime.NullFunction), os.DirFS(filepath.Join(installed, servicetime.NullFunction))))
	return root
}
