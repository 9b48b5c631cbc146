package gem5_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/gem5"
	"microcosm/gem5bridge/gem5/standin"
)

const standInRole = "gem5 stand-in"

func TestMain(m *testing.M) {
	bridgetest.Main(m, map[string]func(){
		"gem5": func() {
			if err := gem5.Main(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
		standInRole: func() { os.Exit(standin.Main(os.Args[1:])) },
	})
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
	return config
}

var goMix = gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: []string{"fibonacci-go", "aes-go", "auth-go"}}
