package host_test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/process"
)

// TestOneCoreIsShared confines the plugin to one core, as a small machine would.
func TestOneCoreIsShared(t *testing.T) {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		t.Skip("taskset is missing (Debian: util-linux): the plugin cannot be confined")
	}
	cores, err := process.Cores()
	require.NoError(t, err)
	config := bridgetest.Plugin("host")
	config.Command = slices.Concat([]string{taskset, "-c", itoa(cores[0])}, config.Command)
	s := bridgetest.Connect(t, config)
	d, err := s.Describe(t.Context(), gem5bridge.Setup{})
	require.NoError(t, err)
	require.Contains(t, d.Notes, "one core only: the client shares it with the functions")

	job := gem5bridge.Job{Setup: gem5bridge.Setup{Functions: installed}, Mix: goMix, Seed: 2, Deadline: 10 * time.Second}
	job.Cells = bridgetest.Cells(t, "auth-go", 6, "warm", "lukewarm:2", "flush", "cold")
	by, err := bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	require.Len(t, by[servicetime.Valid], 4*6)
	if len(cores) > 1 {
		apart, err := bridgetest.Connect(t, bridgetest.Plugin("host")).Describe(t.Context(), gem5bridge.Setup{})
		require.NoError(t, err)
		require.NotEqual(t, apart.Platforms[0].Digest, d.Platforms[0].Digest, "samples of a shared core are not pooled with others")
	}
}

// TestAFunctionWithADatabase measures a function that asks a server: the server
// is started for it, and its time is off the functions' core.
func TestAFunctionWithADatabase(t *testing.T) {
	if _, err := exec.LookPath("/usr/bin/redis-server"); err != nil {
		t.Skip("redis is missing (Debian: redis-server)")
	}
	s := bridgetest.Connect(t, bridgetest.Plugin("host"))
	job := gem5bridge.Job{Setup: gem5bridge.Setup{Functions: installed}, Seed: 2, Deadline: 10 * time.Second}
	job.Cells = bridgetest.Cells(t, "geo", 6, "warm", "cold")
	by, err := bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	require.Len(t, by[servicetime.Valid], 2*6)
}
