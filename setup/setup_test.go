package setup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/setup"
)

func TestFind(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "python3")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
	t.Setenv("PATH", folder)
	path, err := setup.Find("python3")
	require.NoError(t, err)
	require.Equal(t, program, path)

	_, err = setup.Find("node")
	require.ErrorContains(t, err, "Debian package nodejs")
	_, err = setup.Find("gem6")
	require.ErrorContains(t, err, "gem6")
	_, err = setup.Find("/nowhere/python3")
	require.ErrorContains(t, err, "Debian package python3-minimal", "by its path, as functions name it")
}
