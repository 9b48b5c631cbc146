package gem5_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
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

func condition(t *testing.T, word string) servicetime.Condition {
	t.Helper()
	c, err := servicetime.ParseCondition(word)
	require.NoError(t, err)
	return c
}

func cells(t *testing.T, function string, count int, words ...string) []gem5bridge.Cell {
	t.Helper()
	var all []gem5bridge.Cell
	for _, word := range words {
		all = append(all, gem5bridge.Cell{Function: function, Input: functions.DefaultClass, Condition: condition(t, word), Count: count})
	}
	return all
}

func connect(t *testing.T, config gem5bridge.Config) *gem5bridge.Simulator {
	t.Helper()
	s, err := gem5bridge.Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// sample runs a job to its end and sorts its samples by status.
func sample(t *testing.T, s *gem5bridge.Simulator, job gem5bridge.Job) (map[servicetime.Status][]servicetime.Sample, error) {
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
