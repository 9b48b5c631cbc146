package ext4_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/ext4"
	"microcosm/images/tool"
)

func plant(t *testing.T) string {
	t.Helper()
	if err := tool.Require("mke2fs", "e2fsck"); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	for i := range 300 {
		dir := filepath.Join(root, fmt.Sprintf("d%d", i%7))
		require.NoError(t, os.MkdirAll(dir, 0o755))
		name := filepath.Join(dir, fmt.Sprintf("file-with-a-rather-long-name-%d", i))
		require.NoError(t, os.WriteFile(name, bytes.Repeat([]byte{byte(i)}, i*97), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "init"), []byte("#!"), 0o755))
	require.NoError(t, os.Symlink("d1/x", filepath.Join(root, "link")))
	require.NoError(t, os.Symlink(strings.Repeat("long/", 30), filepath.Join(root, "longlink")))
	return root
}

func image(t *testing.T, root string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, ext4.Make(context.Background(), root, path, 160<<20)) // several block groups
	return path
}

func debugfs(t *testing.T, path, command string) string {
	t.Helper()
	program, err := tool.Find("debugfs")
	require.NoError(t, err)
	out, err := exec.Command(program, "-R", command, path).Output()
	require.NoError(t, err)
	return string(out)
}

func TestAnImageIsAFunctionOfTheTree(t *testing.T) {
	t.Parallel()
	root := plant(t)
	first := image(t, root)
	require.NoError(t, ext4.Check(context.Background(), first))

	// Another time of change of every inode, and other owners where we may.
	copied := plant(t)
	require.NoError(t, filepath.WalkDir(copied, func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		if os.Geteuid() == 0 {
			require.NoError(t, os.Lchown(path, 70001, 70002))
		}
		if entry.Type()&os.ModeSymlink == 0 {
			require.NoError(t, os.Chtimes(path, time.Unix(1e9, 5), time.Unix(1e9, 5)))
		}
		return nil
	}))
	second := image(t, copied)
	require.NoError(t, ext4.Check(context.Background(), second))
	a, err := os.ReadFile(first)
	require.NoError(t, err)
	b, err := os.ReadFile(second)
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b), "two images of one tree differ")

	require.NoError(t, os.WriteFile(filepath.Join(root, "init"), []byte("#?"), 0o755))
	c, err := os.ReadFile(image(t, root))
	require.NoError(t, err)
	require.False(t, bytes.Equal(a, c), "one changed byte must show")
}

func TestTheImageHoldsTheTreeAndItBelongsToRoot(t *testing.T) {
	t.Parallel()
	root := plant(t)
	path := image(t, root)
	for _, name := range []string{"/init", "/d3", "/link", "/longlink", "/d0/file-with-a-rather-long-name-7"} {
		stat := debugfs(t, path, "stat "+name)
		require.Regexp(t, `User:\s+0\s+Group:\s+0\s`, stat, name)
		for _, field := range []string{"ctime", "atime", "mtime", "crtime"} {
			require.Regexp(t, field+`: 0x65920080:00000000 `, stat, name)
		}
	}
	require.Contains(t, debugfs(t, path, "stat /init"), "Mode:  0755")
	require.Equal(t, strings.Repeat("\x07", 7*97), debugfs(t, path, "cat /d0/file-with-a-rather-long-name-7"))
}

func TestAnImageThatExistsIsNotOverwritten(t *testing.T) {
	t.Parallel()
	root := plant(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o644))
	require.ErrorContains(t, ext4.Make(context.Background(), root, path, 0), "exists already")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(kept))
}

func TestAFailureLeavesNoImage(t *testing.T) {
	t.Parallel()
	root := plant(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	require.Error(t, ext4.Make(context.Background(), filepath.Join(root, "missing"), path, 0))
	require.NoFileExists(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, ext4.Make(ctx, root, path, 0), context.Canceled)
	require.NoFileExists(t, path)
	require.ErrorContains(t, ext4.Check(context.Background(), filepath.Join(root, "init")), "check disk image")
}
