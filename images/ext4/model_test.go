package ext4_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/ext4"
	"microcosm/images/tool"
	"microcosm/images/tree"
)

// forest plants a tree by chance: names of any bytes, every permission, empty and long
// files, files with holes, links of any length, a directory of very many names.
func forest(t *testing.T, seed uint64) string {
	t.Helper()
	if err := tool.Require("mke2fs", "e2fsck"); err != nil {
		t.Skip(err)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Mkdir(root, 0o755))
	dirs := []string{root}
	letters := []rune("abcXYZ09-_.,+=~@#éž漢 ")
	for range 150 {
		name := make([]rune, 1+r.IntN(40))
		for i := range name {
			name[i] = letters[r.IntN(len(letters))]
		}
		path := filepath.Join(dirs[r.IntN(len(dirs))], strings.Trim(string(name), ". ")+fmt.Sprint(r.IntN(1000)))
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		switch r.IntN(5) {
		case 0:
			require.NoError(t, os.Mkdir(path, 0o755))
			require.NoError(t, os.Chmod(path, []fs.FileMode{0o755, 0o700, 0o777}[r.IntN(3)]))
			dirs = append(dirs, path)
		case 1:
			require.NoError(t, os.Symlink(strings.Repeat("t/", 1+r.IntN(60)), path))
		default:
			text := make([]byte, []int{0, 1, 4095, 4096, 4097, 50_000}[r.IntN(6)])
			for i := range text {
				text[i] = byte(r.Uint32())
			}
			require.NoError(t, os.WriteFile(path, text, 0o600))
			require.NoError(t, os.Chmod(path, []fs.FileMode{0o644, 0o755, 0o600, 0o400, 0o444}[r.IntN(5)]))
		}
	}
	hole, err := os.Create(filepath.Join(root, "hole"))
	require.NoError(t, err)
	require.NoError(t, hole.Truncate(2<<20))
	_, err = hole.WriteAt([]byte("end"), 2<<20)
	require.NoError(t, err)
	require.NoError(t, hole.Close())
	many := filepath.Join(root, "many")
	require.NoError(t, os.Mkdir(many, 0o755))
	for i := range 700 {
		require.NoError(t, os.WriteFile(filepath.Join(many, fmt.Sprintf("%0200d", i)), nil, 0o644))
	}
	return root
}

// TestWhatIsInTheImageIsTheTree takes the tree out of the image again, by debugfs.
func TestWhatIsInTheImageIsTheTree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		root := forest(t, seed)
		path := filepath.Join(t.TempDir(), "disk.img")
		require.NoError(t, ext4.Make(context.Background(), root, path, 0))
		require.NoError(t, ext4.Check(context.Background(), path))
		out := t.TempDir()
		debugfs(t, path, "rdump / "+out)
		require.NoError(t, os.Remove(filepath.Join(out, "lost+found")))
		require.NoError(t, os.Chmod(out, 0o755))
		want, err := tree.Digest(root)
		require.NoError(t, err)
		got, err := tree.Digest(out)
		require.NoError(t, err)
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// TestACopyOfTheTreeMakesTheSameImage: a copy that was planted in another order, by
// another tool, with other times and other hard links.
func TestACopyOfTheTreeMakesTheSameImage(t *testing.T) {
	t.Parallel()
	root := forest(t, 7)
	copied := filepath.Join(t.TempDir(), "copied")
	out, err := exec.Command("cp", "-r", "--preserve=mode", root, copied).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var images [2][]byte
	for i, from := range []string{root, copied} {
		path := filepath.Join(t.TempDir(), "disk.img")
		require.NoError(t, ext4.Make(context.Background(), from, path, 1<<20))
		images[i], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	require.True(t, bytes.Equal(images[0], images[1]))
}

// TestTheStickyBitStays: which debugfs takes away from what it takes out.
func TestTheStickyBitStays(t *testing.T) {
	t.Parallel()
	if err := tool.Require("mke2fs"); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "tmp"), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky))
	path := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, ext4.Make(context.Background(), root, path, 0))
	require.Contains(t, debugfs(t, path, "stat /tmp"), "Mode:  01777")
}

func TestTheImageHasTheRoomThatWasAskedFor(t *testing.T) {
	t.Parallel()
	root := forest(t, 3)
	free := regexp.MustCompile(`Free blocks:\s+(\d+)`)
	for _, spare := range []int64{0, 1 << 20, 40 << 20} {
		path := filepath.Join(t.TempDir(), "disk.img")
		require.NoError(t, ext4.Make(context.Background(), root, path, spare))
		found := free.FindStringSubmatch(debugfs(t, path, "stats"))
		require.NotNil(t, found)
		blocks, err := strconv.ParseInt(found[1], 10, 64)
		require.NoError(t, err)
		require.GreaterOrEqual(t, blocks*4096, spare)
		require.Less(t, blocks*4096, spare+spare/4+16<<20, "and not much more")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Zero(t, info.Size()%(1<<20), "whole mebibytes")
	}
}

// TestAFullDiskLeavesNoImage: the image may not grow beyond what the disk has.
func TestAFullDiskLeavesNoImage(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("EXT4_TEST_FULL"); dir != "" { // the process of which no file may be large
		err := ext4.Make(context.Background(), filepath.Join(dir, "root"), filepath.Join(dir, "disk.img"), 0)
		require.ErrorContains(t, err, "make disk image: mke2fs: ")
		return
	}
	root := forest(t, 1)
	dir := filepath.Dir(root)
	cmd := exec.Command("sh", "-c", `ulimit -f 2048; exec "$0" "$@"`, os.Args[0], "-test.run=^TestAFullDiskLeavesNoImage$", "-test.v")
	cmd.Env = append(os.Environ(), "EXT4_TEST_FULL="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS: TestAFullDiskLeavesNoImage")
	require.NoFileExists(t, filepath.Join(dir, "disk.img"))
}

func TestATreeThatNoImageCanHoldIsRefused(t *testing.T) {
	t.Parallel()
	root := plant(t)
	out, err := exec.Command("mkfifo", filepath.Join(root, "d1", "pipe")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	path := filepath.Join(t.TempDir(), "disk.img")
	require.ErrorContains(t, ext4.Make(context.Background(), root, path, 0), "d1/pipe is neither file, directory nor symbolic link")
	require.NoFileExists(t, path)
}
