package ext4_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/ext4"
	"microcosm/images/tool"
)

// twins is a tree of two files of the same contents, which are one or two.
func twins(t *testing.T, one bool) string {
	t.Helper()
	if err := tool.Require("mke2fs"); err != nil {
		t.Skip(err)
	}
	root, text := t.TempDir(), bytes.Repeat([]byte("x"), 20_000)
	require.NoError(t, os.WriteFile(filepath.Join(root, "a"), text, 0o644))
	if one {
		require.NoError(t, os.Link(filepath.Join(root, "a"), filepath.Join(root, "b")))
	} else {
		require.NoError(t, os.WriteFile(filepath.Join(root, "b"), text, 0o644))
	}
	return root
}

// TestFilesThatAreOneAreOneInTheImage: layers share most of their contents. Where a
// tree was copied without its hard links, its image is another, and larger.
func TestFilesThatAreOneAreOneInTheImage(t *testing.T) {
	t.Parallel()
	made := func(root string) (image []byte, stat string) {
		path := filepath.Join(t.TempDir(), "disk.img")
		require.NoError(t, ext4.Make(context.Background(), root, path, 0))
		require.NoError(t, ext4.Check(context.Background(), path))
		image, err := os.ReadFile(path)
		require.NoError(t, err)
		return image, debugfs(t, path, "stat /b")
	}
	root := twins(t, true)
	// The file's third name lies outside: no part of the tree.
	require.NoError(t, os.Link(filepath.Join(root, "a"), filepath.Join(t.TempDir(), "c")))
	linked, stat := made(root)
	require.Contains(t, stat, "Links: 2")
	apart, stat := made(twins(t, false))
	require.Contains(t, stat, "Links: 1")
	require.False(t, bytes.Equal(linked, apart))

	copied := filepath.Join(t.TempDir(), "copied")
	out, err := exec.Command("cp", "-a", root, copied).CombinedOutput()
	require.NoError(t, err, "%s", out)
	again, _ := made(copied)
	require.True(t, bytes.Equal(linked, again), "a copy that keeps its links makes the same image")
}
