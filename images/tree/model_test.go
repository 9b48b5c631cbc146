package tree_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/images/tree"
)

// drawn is a tree as a map: a directory's mode, a file's mode and contents, a link's
// target.
type drawn map[string]string

func draw(t *rapid.T) drawn {
	d := drawn{}
	dirs := []string{""}
	name := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "c d", "é", "-rf", "a\nb", "1:x", "*"}), rapid.StringMatching(`[a-z.]{1,3}x`))
	for range rapid.IntRange(0, 10).Draw(t, "entries") {
		path := rapid.SampledFrom(dirs).Draw(t, "in") + name.Draw(t, "name")
		if d[path] != "" {
			continue
		}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			d[path] = "d" + rapid.SampledFrom([]string{"755", "700", "777"}).Draw(t, "mode")
			dirs = append(dirs, path+"/")
		case 1:
			d[path] = "f" + rapid.SampledFrom([]string{"644", "755", "600", "400"}).Draw(t, "mode") + rapid.StringMatching(`[a-c\n]{0,3}`).Draw(t, "contents")
		case 2:
			d[path] = "l" + rapid.SampledFrom([]string{"a", "../b", "/etc", "no where"}).Draw(t, "target")
		}
	}
	return d
}

func (d drawn) plant(t require.TestingT, root string) {
	require.NoError(t, os.Mkdir(root, 0o755))
	require.NoError(t, os.Chmod(root, 0o755))
	for _, path := range slices.Sorted(maps.Keys(d)) {
		at, what := filepath.Join(root, path), d[path]
		if what[0] == 'l' {
			require.NoError(t, os.Symlink(what[1:], at))
			continue
		}
		var mode fs.FileMode
		_, err := fmt.Sscanf(what[1:4], "%o", &mode)
		require.NoError(t, err)
		if what[0] == 'd' {
			require.NoError(t, os.Mkdir(at, mode))
		} else {
			require.NoError(t, os.WriteFile(at, []byte(what[4:]), 0o600))
		}
		require.NoError(t, os.Chmod(at, mode))
	}
}

// TestTwoTreesHaveOneDigestIfTheyAreOneTree draws pairs of trees, often equal ones.
func TestTwoTreesHaveOneDigestIfTheyAreOneTree(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		defer func() { _ = os.RemoveAll(dir) }()
		one := draw(t)
		two := maps.Clone(one)
		if len(one) > 0 && rapid.Bool().Draw(t, "change") {
			path := rapid.SampledFrom(slices.Sorted(maps.Keys(one))).Draw(t, "changed")
			if what := one[path]; what[0] == 'd' {
				two[path] = "d750"
			} else {
				two[path] = what + "!"
			}
		}
		one.plant(t, filepath.Join(dir, "one"))
		two.plant(t, filepath.Join(dir, "two"))
		first, err := tree.Digest(filepath.Join(dir, "one"))
		require.NoError(t, err)
		require.Regexp(t, "^sha256:[0-9a-f]{64}$", first)
		second, err := tree.Digest(filepath.Join(dir, "two"))
		require.NoError(t, err)
		require.Equal(t, maps.Equal(one, two), first == second)

		require.NoError(t, tree.Link(filepath.Join(dir, "one"), filepath.Join(dir, "linked")))
		linked, err := tree.Digest(filepath.Join(dir, "linked"))
		require.NoError(t, err)
		require.Equal(t, first, linked)
		blocks, inodes, err := tree.Blocks(filepath.Join(dir, "one"), 2)
		require.NoError(t, err)
		require.EqualValues(t, len(one)+1, inodes)
		for _, what := range one {
			if what[0] == 'f' {
				blocks -= int64(max(1, (len(what[4:])+1)/2))
			}
		}
		require.Positive(t, blocks, "the rest is directories, which take some, too")
	})
}

// TestNoNameForgesAnother: what a name or a target holds is not taken for what comes
// behind it.
func TestNoNameForgesAnother(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	sum := "sha256:" + strings.Repeat("0", 64)
	for situation, d := range map[string]drawn{
		"one file":                      {"a": "f644x"},
		"its entry in a name":           {"a -rw-r--r-- " + sum[:40]: "f644x"},
		"two entries in a name":         {"a\n1:b": "f644x"},
		"two files":                     {"a": "f644x", "b": "f644x"},
		"a link to what a link is":      {"a": "l1:b"},
		"a link":                        {"a": "lb"},
		"a file in place of a link":     {"a": "f777b"},
		"contents that are a target":    {"a": "f6441:b"},
		"an empty file":                 {"a": "f644"},
		"an empty directory":            {"a": "d755"},
		"a directory and one in it":     {"a": "d755", "a/b": "d755"},
		"two directories side by side":  {"a": "d755", "b": "d755"},
		"a name with the other's slash": {"a": "d755", "a/b": "f644x"},
	} {
		root := filepath.Join(t.TempDir(), "root")
		d.plant(t, root)
		got := digest(t, root)
		require.Empty(t, seen[got], situation)
		seen[got] = situation
	}
}

// TestACopyOfRealToolsIsTheSameTree: cp and tar, as a second opinion on what a tree is.
func TestACopyOfRealToolsIsTheSameTree(t *testing.T) {
	t.Parallel()
	from, to := filepath.Join(t.TempDir(), "from"), t.TempDir()
	drawn{"a": "d700", "a/b": "f600text", "a/c": "lb", "e": "d777", "f": "f755"}.plant(t, from)
	want := digest(t, from)
	for name, script := range map[string]string{"cp": `cp -a "$1" "$2/cp"`, "tar": `mkdir "$2/tar" && tar -C "$1" -cf - . | tar -C "$2/tar" -xpf -`} {
		out, err := exec.Command("sh", "-c", script, "sh", from, to).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, want, digest(t, filepath.Join(to, name)), name)
	}
}

// TestLinkCopiesWhereItCannotLink: onto another file system.
func TestLinkCopiesWhereItCannotLink(t *testing.T) {
	t.Parallel()
	from := filepath.Join(t.TempDir(), "from")
	drawn{"a": "d755", "a/b": "f755text", "c": "f400"}.plant(t, from)
	other, err := os.MkdirTemp("/dev/shm", "microcosm-")
	if err != nil {
		t.Skipf("skipped: no other file system: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(other)) })
	device := func(path string) uint64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Dev
	}
	if device(from) == device(other) {
		t.Skip("skipped: /dev/shm is the file system of temporary files")
	}
	require.NoError(t, tree.Link(from, filepath.Join(other, "to")))
	require.Equal(t, digest(t, from), digest(t, filepath.Join(other, "to")))
	require.ErrorIs(t, tree.Link(from, filepath.Join(other, "to")), os.ErrExist, "a file that is there is not overwritten")
	require.Equal(t, device(other), device(filepath.Join(other, "to", "a", "b")))
}

func TestWhatCannotBeLinked(t *testing.T) {
	t.Parallel()
	from := filepath.Join(t.TempDir(), "from")
	drawn{"a": "d755"}.plant(t, from)
	require.NoError(t, syscall.Mkfifo(filepath.Join(from, "a", "pipe"), 0o600))
	for what, err := range map[string]error{
		"link": tree.Link(from, filepath.Join(t.TempDir(), "to")),
		"size": func() error { _, _, err := tree.Blocks(from, 4096); return err }(),
	} {
		require.ErrorContains(t, err, "a/pipe is neither file, directory nor symbolic link", what)
		require.ErrorContains(t, err, from, what)
	}
	_, err := tree.File(filepath.Join(from, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = tree.File(from)
	require.Error(t, err, "a directory has no contents")
}
