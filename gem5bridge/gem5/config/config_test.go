package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/gem5/config"
)

func TestInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main, err := config.Install(dir)
	require.NoError(t, err)
	require.FileExists(t, main)
	require.True(t, filepath.IsAbs(main))

	text, err := os.ReadFile(main)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(main, []byte("changed"), 0o600))
	again, err := config.Install(dir)
	require.NoError(t, err)
	require.Equal(t, main, again)
	now, err := os.ReadFile(main)
	require.NoError(t, err)
	require.Equal(t, string(text), string(now), "a changed script is written anew")
}

func TestInstallWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := config.Install(file)
	require.ErrorContains(t, err, "install gem5's configuration")
}

// TestScriptsCompile has Python read the scripts; what they do shows in gem5 only.
func TestScriptsCompile(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing")
	}
	main, err := config.Install(t.TempDir())
	require.NoError(t, err)
	out, err := exec.Command(python, "-m", "compileall", "-q", filepath.Dir(main)).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestScripts runs the scripts' own tests, over what stands for gem5 in them.
func TestScripts(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing")
	}
	for _, tests := range []string{"run_test.py", "counters_test.py"} {
		t.Run(tests, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(python, "-B", filepath.Join("testdata", tests))
			cmd.Env = append(os.Environ(), "PYTHONPATH=.")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Contains(t, string(out), "OK")
		})
	}
}
