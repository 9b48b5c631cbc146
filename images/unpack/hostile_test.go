package unpack_test

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	at "microcosm/images/archive/archivetest"
	"microcosm/images/unpack"
)

// TestNoLayerReachesOutside draws layers of whoever wants to get out: links that climb,
// absolute ones, links to links, hard links and whiteouts through them. Outside lies a
// file whose contents must appear nowhere and that must stay as it is.
func TestNoLayerReachesOutside(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	require.NoError(t, os.Mkdir(outside, 0o755))
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o644))
	before := listing(t, outside)
	targets := []string{"..", "../..", "../../../outside", outside, secret, "/", "/etc", ".", "a", "b/c", "../a", "a/../../outside", "self", ""}
	names := []string{"a", "b", "a/b", "b/c", "a/b/c", "self", "/a", "./b", "a//b", "a/./c", "outside", "../x", "a/../b", ".", "b/.."}
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(dir)) }()
		contents, layers := filepath.Join(dir, "contents"), filepath.Join(dir, "layers")
		require.NoError(t, os.Mkdir(contents, 0o700))
		require.NoError(t, os.Mkdir(layers, 0o700))
		tree := unpack.New(contents, unpack.Limits{Bytes: 1 << 16, Entries: 100})
		name, target := rapid.SampledFrom(names), rapid.SampledFrom(targets)
		var all [][]at.Entry
		for range rapid.IntRange(1, 3).Draw(r, "layers") {
			var entries []at.Entry
			for range rapid.IntRange(1, 8).Draw(r, "entries") {
				n := name.Draw(r, "name")
				switch rapid.IntRange(0, 5).Draw(r, "kind") {
				case 0:
					entries = append(entries, at.File(n, "inside", 0o644))
				case 1, 2:
					entries = append(entries, at.Link(n, target.Draw(r, "target")))
				case 3:
					entries = append(entries, at.Hard(n, rapid.OneOf(name, target).Draw(r, "target")))
				case 4:
					entries = append(entries, at.Gone(n))
				case 5:
					entries = append(entries, at.Opaque(n))
				}
			}
			all = append(all, entries)
		}
		if _, err := stack(t, tree, layers, all...); err != nil {
			require.NotContains(r, err.Error(), contents, "a mistake of a layer's, not of ours: %v", err)
		}
		require.Equal(r, before, listing(t, outside))
		require.NoError(r, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				text, err := os.ReadFile(path)
				require.NoError(r, err)
				require.Equal(r, "inside", string(text))
			}
			return err
		}))
		for _, found := range []string{secret, "../../outside/secret", "a/b/secret", "self/secret"} {
			if text, err := tree.ReadFile(found, 100); err == nil {
				require.NotEqual(r, "secret", string(text), found)
			}
		}
	})
}

// listing is everything that a change of a directory would change.
func listing(t *testing.T, dir string) (lines []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		info, errInfo := entry.Info()
		require.NoError(t, errInfo)
		text, _ := os.ReadFile(path) // a directory has none
		lines = append(lines, path+" "+info.Mode().String()+" "+info.ModTime().String()+" "+string(text))
		return err
	}))
	return lines
}

// TestALayerOfRealTarIsUnpackedAsItUnpacksIt: GNU tar, with everything that it writes
// in its own way: sparse files, long names and targets, hard links, names of any bytes.
func TestALayerOfRealTarIsUnpackedAsItUnpacksIt(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skipf("skipped: %v", err)
	}
	source := t.TempDir()
	write := func(name, text string, mode fs.FileMode) {
		path := filepath.Join(source, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		require.NoError(t, os.Chmod(path, mode))
	}
	long := strings.Repeat("long-name-", 24)
	write("usr/bin/tool", "#!/bin/sh\n", 0o755)
	write("etc/empty", "", 0o640)
	write(long+"/"+long+"/file", "deep", 0o644)
	write("h\xf6he/žluťoučký kůň \n", "any bytes", 0o600)
	write(" leading and trailing ", "blanks", 0o444)
	require.NoError(t, os.Symlink("../"+long, filepath.Join(source, "etc", "link")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(source, "dangling")))
	require.NoError(t, os.Link(filepath.Join(source, "usr/bin/tool"), filepath.Join(source, "usr/bin/same")))
	require.NoError(t, os.Mkdir(filepath.Join(source, "tmp"), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(source, "tmp"), 0o777|fs.ModeSticky))
	sparse, err := os.Create(filepath.Join(source, "sparse"))
	require.NoError(t, err)
	require.NoError(t, sparse.Truncate(3<<20))
	_, err = sparse.WriteAt([]byte("in the middle"), 1<<20)
	require.NoError(t, err)
	require.NoError(t, sparse.Close())

	for _, format := range []string{"gnu", "pax", "oldgnu"} {
		file := filepath.Join(t.TempDir(), "layer.tar")
		out, err := exec.Command("tar", "-C", source, "--format="+format, "--sparse", "--owner=0", "--group=0", "-cf", file, ".").CombinedOutput()
		require.NoError(t, err, "%s", out)
		want := t.TempDir()
		out, err = exec.Command("tar", "-C", want, "-xpf", file).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NoError(t, os.Chmod(want, 0o755))

		tree, layers := newTree(t, unpack.Limits{})
		layer, err := os.Open(file)
		require.NoError(t, err)
		hides, err := tree.Apply(layer)
		require.NoError(t, err, format)
		require.NoError(t, layer.Close())
		require.False(t, hides)
		got := filepath.Join(layers, "0")
		require.NoError(t, tree.Write(got, false))
		require.Equal(t, shape(t, want), shape(t, got), format)
		a, err := os.Stat(filepath.Join(got, "usr/bin/tool"))
		require.NoError(t, err)
		b, err := os.Stat(filepath.Join(got, "usr/bin/same"))
		require.NoError(t, err)
		require.True(t, os.SameFile(a, b), "a hard link is one")
	}
}

// shape is what a tree is: names, kinds, permissions, targets and contents.
func shape(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		text := info.Mode().String()
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			require.NoError(t, err)
			text += " -> " + target
		case info.Mode().IsRegular():
			contents, err := os.ReadFile(path)
			require.NoError(t, err)
			text += " " + string(contents)
		}
		rel, err := filepath.Rel(root, path)
		all[rel] = text
		return err
	}))
	return all
}

func TestLimitsHoldForTheWholeImage(t *testing.T) {
	t.Parallel()
	tree, layers := newTree(t, unpack.Limits{Bytes: 10, Entries: 4})
	_, err := stack(t, tree, layers, []at.Entry{at.File("a", "12345", 0o644)}, []at.Entry{at.File("a", "67890", 0o644)})
	require.NoError(t, err, "as much as may be")
	_, err = tree.Apply(bytes.NewReader(at.Tar(t, at.File("b", "1", 0o644))))
	require.EqualError(t, err, `layer 3: entry "b": the image unpacks to more than 10 bytes`, "what was replaced was unpacked, too")
	tree, layers = newTree(t, unpack.Limits{Bytes: 10, Entries: 4})
	_, err = stack(t, tree, layers, []at.Entry{at.Dir("a", 0o755), at.Dir("b", 0o755), at.Gone("c")}, []at.Entry{at.Hard("d", "e"), at.Dir("f", 0o755)})
	require.ErrorContains(t, err, `layer 2: entry "d": link to "e"`)
	tree, layers = newTree(t, unpack.Limits{Entries: 4})
	_, err = stack(t, tree, layers, make9(t)[:3], make9(t)[:2])
	require.EqualError(t, err, "layer 2: the image has more than 4 entries")
}

func TestNamesAtTheirEnds(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		entry at.Entry
		err   string
	}{
		"an element of 255 bytes":          {at.File(strings.Repeat("x", 255), "", 0o644), ""},
		"an element of 256 bytes":          {at.File("a/"+strings.Repeat("x", 256), "", 0o644), "more than 255 bytes"},
		"a path longer than Linux takes":   {at.File(strings.Repeat(strings.Repeat("d", 200)+"/", 25)+"f", "", 0o644), "write layer 1: "},
		"three dots":                       {at.File("...", "", 0o644), ""},
		"a name that begins with dots":     {at.File("..a/.b", "", 0o644), ""},
		"a backslash":                      {at.File(`a\..\b`, "", 0o644), ""},
		"a line's end":                     {at.File("a\nb", "", 0o644), ""},
		"a target as long as Linux takes":  {at.Link("l", strings.Repeat("t", 4095)), ""},
		"a target longer than Linux takes": {at.Link("l", strings.Repeat("t", 4096)), "points nowhere"},
		"a directory with its slash":       {at.Dir("d/", 0o755), ""},
		"a root that is absolute":          {at.Dir("/", 0o755), ""},
		"a device below dev":               {at.Entry{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "./dev/sda"}}, ""},
		"a device below another dev":       {at.Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "x/dev/null"}}, "a device outside of /dev"},
		"a device that is called dev":      {at.Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "dev"}}, "a device outside of /dev"},
	} {
		tree, layers := newTree(t, unpack.Limits{})
		_, err := stack(t, tree, layers, []at.Entry{c.entry})
		if c.err == "" {
			require.NoError(t, err, situation)
		} else {
			require.ErrorContains(t, err, c.err, situation)
		}
	}
}

// TestTheUmaskIsNoPartOfALayer: which the whole process has, so not in parallel.
func TestTheUmaskIsNoPartOfALayer(t *testing.T) {
	tree, layers := newTree(t, unpack.Limits{})
	defer syscall.Umask(syscall.Umask(0o077))
	_, err := stack(t, tree, layers, []at.Entry{at.Dir("d", 0o755), at.File("d/f", "", 0o666), at.File("made/on/the/way", "", 0o755)})
	require.NoError(t, err)
	for name, want := range map[string]fs.FileMode{"0/d": 0o755, "0/d/f": 0o666, "0/made/on": 0o755, "0/made/on/the/way": 0o755} {
		info, err := os.Stat(filepath.Join(layers, name))
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), name)
	}
}
