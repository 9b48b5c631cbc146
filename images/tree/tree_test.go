package tree_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/tree"
)

func plant(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bin", "tool"), []byte("#!"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644))
	require.NoError(t, os.Symlink("bin/tool", filepath.Join(dir, "link")))
	return dir
}

func digest(t *testing.T, dir string) string {
	t.Helper()
	d, err := tree.Digest(dir)
	require.NoError(t, err)
	return d
}

func TestDigestDependsOnWhatATreeIs(t *testing.T) {
	t.Parallel()
	reference := digest(t, plant(t))
	require.Equal(t, reference, digest(t, plant(t)), "the same tree elsewhere")
	for _, c := range []struct {
		name   string
		change func(dir string) error
	}{
		{"a byte of a file", func(d string) error { return os.WriteFile(filepath.Join(d, "file"), []byte("tezt"), 0o644) }},
		{"a permission", func(d string) error { return os.Chmod(filepath.Join(d, "file"), 0o600) }},
		{"a name", func(d string) error { return os.Rename(filepath.Join(d, "file"), filepath.Join(d, "file2")) }},
		{"a link's target", func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "link")), os.Symlink("bin/toolx", filepath.Join(d, "link")))
		}},
		{"an empty directory more", func(d string) error { return os.Mkdir(filepath.Join(d, "empty"), 0o755) }},
		{"a file moved into a directory", func(d string) error { return os.Rename(filepath.Join(d, "file"), filepath.Join(d, "bin", "file")) }},
	} {
		dir := plant(t)
		require.NoError(t, c.change(dir), c.name)
		require.NotEqual(t, reference, digest(t, dir), c.name)
	}
	dir := plant(t)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "file"), time.Unix(1, 0), time.Unix(1, 0)))
	require.Equal(t, reference, digest(t, dir), "times are no part of a tree")
}

func TestDigestRefusesWhatAnImageCannotHold(t *testing.T) {
	t.Parallel()
	dir := plant(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	_, err := tree.Digest(dir)
	require.ErrorContains(t, err, "pipe is neither file, directory nor symbolic link")
	_, err = tree.Digest(filepath.Join(dir, "missing"))
	require.Error(t, err)
}

func TestLinkMakesTheSameTree(t *testing.T) {
	t.Parallel()
	from, to := plant(t), t.TempDir()
	require.NoError(t, os.Chmod(to, 0o755))
	require.NoError(t, os.Chmod(from, 0o755))
	require.NoError(t, tree.Link(from, to))
	require.Equal(t, digest(t, from), digest(t, to))
	a, err := os.Stat(filepath.Join(from, "file"))
	require.NoError(t, err)
	b, err := os.Stat(filepath.Join(to, "file"))
	require.NoError(t, err)
	require.True(t, os.SameFile(a, b), "by hard link")
	require.Error(t, tree.Link(from, to), "a file that exists is not overwritten")
}

func TestLinkedTreesDoNotDependOnTheUmask(t *testing.T) { // which the whole process has: not in parallel
	from, to := plant(t), t.TempDir()
	require.NoError(t, os.Chmod(filepath.Join(from, "bin"), 0o755|os.ModeSticky))
	defer syscall.Umask(syscall.Umask(0o077))
	require.NoError(t, tree.Link(from, filepath.Join(to, "copy")))
	require.Equal(t, digest(t, from), digest(t, filepath.Join(to, "copy")))
}

func TestBlocksCountsWhatTheDiskMustHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), make([]byte, 4097), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b"), nil, 0o644))
	require.NoError(t, os.Symlink("a", filepath.Join(dir, "l")))
	blocks, inodes, err := tree.Blocks(dir, 4096)
	require.NoError(t, err)
	require.EqualValues(t, 4, inodes)
	require.EqualValues(t, 2+1+1, blocks, "two for a, one reserved for b, one for the directory")
}
