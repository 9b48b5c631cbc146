package unpack_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	at "microcosm/images/archive/archivetest"
	"microcosm/images/unpack"
)

// stack applies layers and writes each as a guest's layer. It returns the
// directories that make the image, the lowest first.
func stack(t testing.TB, tree *unpack.Tree, into string, layers ...[]at.Entry) (dirs []string, err error) {
	for n, entries := range layers {
		hides, err := tree.Apply(bytes.NewReader(at.Tar(t, entries...)))
		if err != nil {
			return nil, err
		}
		if hides {
			dirs = nil
		}
		dir := filepath.Join(into, fmt.Sprint(n))
		if err := tree.Write(dir, hides); err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

func newTree(t testing.TB, limits unpack.Limits) (*unpack.Tree, string) {
	scratch := t.TempDir()
	contents, layers := filepath.Join(scratch, "contents"), filepath.Join(scratch, "layers")
	require.NoError(t, os.Mkdir(contents, 0o700))
	require.NoError(t, os.Mkdir(layers, 0o700))
	return unpack.New(contents, limits), layers
}

// union shows directories as overlayfs stacks them, one line per file: its name and
// contents, the target of a link, or its name with a slash.
func union(t testing.TB, dirs []string) string {
	var lines []string
	merge(t, dirs, "", &lines)
	return strings.Join(lines, "\n")
}

func merge(t testing.TB, dirs []string, name string, lines *[]string) {
	seen := map[string]bool{}
	var names []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(filepath.Join(dir, name))
		require.NoError(t, err)
		for _, e := range entries {
			if !seen[e.Name()] {
				names = append(names, e.Name())
			}
			seen[e.Name()] = true
		}
	}
	for _, base := range sorted(names) {
		path := filepath.Join(name, base)
		var below []string // directories that are merged, the lowest first
	layers:
		for n := len(dirs) - 1; n >= 0; n-- {
			info, err := os.Lstat(filepath.Join(dirs[n], path))
			switch {
			case err != nil:
				require.ErrorIs(t, err, fs.ErrNotExist)
				continue
			case info.IsDir():
				below = append([]string{dirs[n]}, below...)
				continue
			case below == nil && info.Mode()&fs.ModeSymlink != 0:
				target, err := os.Readlink(filepath.Join(dirs[n], path))
				require.NoError(t, err)
				*lines = append(*lines, path+" -> "+target)
			case below == nil:
				text, err := os.ReadFile(filepath.Join(dirs[n], path))
				require.NoError(t, err)
				*lines = append(*lines, path+" "+string(text))
			}
			break layers // a file ends what is merged
		}
		if below != nil {
			*lines = append(*lines, path+"/")
			merge(t, below, path, lines)
		}
	}
}

func sorted(names []string) []string {
	for i := range names {
		for j := i; j > 0 && names[j] < names[j-1]; j-- {
			names[j], names[j-1] = names[j-1], names[j]
		}
	}
	return names
}

func TestLayersStackAsInAContainer(t *testing.T) {
	t.Parallel()
	base := []at.Entry{at.Dir("usr/lib", 0o755), at.Link("lib", "usr/lib"), at.File("usr/lib/c", "libc", 0o644), at.File("etc/a", "1", 0o644), at.File("etc/d/x", "x", 0o644)}
	for situation, c := range map[string]struct {
		upper  [][]at.Entry
		want   string
		layers int
	}{
		"one layer":                           {nil, "etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 1},
		"a file above a file":                 {[][]at.Entry{{at.File("etc/a", "2", 0o644)}}, "etc/,etc/a 2,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"a file is hidden":                    {[][]at.Entry{{at.Gone("etc/a")}}, "etc/,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 1},
		"a directory is hidden":               {[][]at.Entry{{at.Gone("usr")}}, "etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib", 1},
		"nothing to hide":                     {[][]at.Entry{{at.Gone("etc/none")}}, "etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"hidden, then added in a third":       {[][]at.Entry{{at.Gone("etc/a")}, {at.File("etc/a", "3", 0o644)}}, "etc/,etc/a 3,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"opaque before its own file":          {[][]at.Entry{{at.Opaque("etc"), at.File("etc/n", "new", 0o644)}}, "etc/,etc/n new,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 1},
		"opaque after its own file":           {[][]at.Entry{{at.File("etc/n", "new", 0o644), at.File("etc/d/y", "y", 0o644), at.Opaque("etc")}}, "etc/,etc/d/,etc/d/y y,etc/n new,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 1},
		"hidden and made anew in one layer":   {[][]at.Entry{{at.File("etc/d/y", "y", 0o644), at.Gone("etc/d")}}, "etc/,etc/a 1,etc/d/,etc/d/y y,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 1},
		"a file through a link below":         {[][]at.Entry{{at.File("lib/m", "libm", 0o644)}}, "etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc,usr/lib/m libm", 2},
		"a directory in place of a link":      {[][]at.Entry{{at.Dir("lib", 0o755), at.File("lib/m", "libm", 0o644)}}, "etc/,etc/a 1,etc/d/,etc/d/x x,lib/,lib/m libm,usr/,usr/lib/,usr/lib/c libc", 2},
		"a file in place of a directory":      {[][]at.Entry{{at.File("etc/d", "file", 0o644)}}, "etc/,etc/a 1,etc/d file,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"and a directory again":               {[][]at.Entry{{at.File("etc/d", "file", 0o644)}, {at.File("etc/z", "z", 0o644)}, {at.Dir("etc/d", 0o755)}}, "etc/,etc/a 1,etc/d/,etc/z z,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 4},
		"a hard link to a layer below":        {[][]at.Entry{{at.Hard("etc/b", "lib/c")}}, "etc/,etc/a 1,etc/b libc,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"an absolute link stays inside":       {[][]at.Entry{{at.Link("var", "/usr")}, {at.File("var/run", "r", 0o644)}}, "etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc,usr/run r,var -> /usr", 3},
		"a link above the root ends there":    {[][]at.Entry{{at.Link("up", "../../../..")}, {at.File("up/f", "f", 0o644)}}, "etc/,etc/a 1,etc/d/,etc/d/x x,f f,lib -> usr/lib,up -> ../../../..,usr/,usr/lib/,usr/lib/c libc", 3},
		"a link to nowhere gets a directory":  {[][]at.Entry{{at.Link("n", "new/dir")}, {at.File("n/f", "f", 0o644)}}, "etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib,n -> new/dir,new/,new/dir/,new/dir/f f,usr/,usr/lib/,usr/lib/c libc", 3},
		"names as other tools write them":     {[][]at.Entry{{at.Dir("./", 0o755), at.File("./etc/a", "2", 0o644), at.File("/etc/b", "3", 0o644)}}, "etc/,etc/a 2,etc/b 3,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"devices below /dev are left out":     {[][]at.Entry{{at.Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "dev/null"}}}}, "dev/,etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"bookkeeping of AUFS means nothing":   {[][]at.Entry{{at.Dir(".wh..wh.plnk", 0o755), at.File("etc/.wh..wh.aufs", "", 0o644)}}, "etc/,etc/a 1,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"hidden twice, in two layers":         {[][]at.Entry{{at.Gone("etc/a")}, {at.Gone("etc/a")}}, "etc/,etc/d/,etc/d/x x,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
		"the last of two in one layer counts": {[][]at.Entry{{at.File("f", "1", 0o644), at.File("f", "2", 0o644)}}, "etc/,etc/a 1,etc/d/,etc/d/x x,f 2,lib -> usr/lib,usr/,usr/lib/,usr/lib/c libc", 2},
	} {
		tree, into := newTree(t, unpack.Limits{})
		dirs, err := stack(t, tree, into, append([][]at.Entry{base}, c.upper...)...)
		require.NoError(t, err, situation)
		require.Equal(t, strings.ReplaceAll(c.want, ",", "\n"), union(t, dirs), situation)
		require.Len(t, dirs, c.layers, situation)
	}
}

func TestEntriesThatMustNotBeAreRefused(t *testing.T) {
	t.Parallel()
	other := func(kind byte) at.Entry { return at.Entry{Header: tar.Header{Typeflag: kind, Name: "x"}} }
	for situation, c := range map[string]struct {
		entries []at.Entry
		err     string
	}{
		"a name that climbs":            {[]at.Entry{at.File("../x", "", 0o644)}, `entry "../x": its name climbs up`},
		"a name that climbs later":      {[]at.Entry{at.File("a/../../x", "", 0o644)}, "climbs up"},
		"a hard link that climbs":       {[]at.Entry{at.Hard("x", "../../etc/passwd")}, "climbs up"},
		"a hard link to nothing":        {[]at.Entry{at.Hard("x", "etc/passwd")}, "does not exist"},
		"a hard link to a directory":    {[]at.Entry{at.Dir("d", 0o755), at.Hard("x", "d")}, "it is a directory"},
		"a whiteout that climbs":        {[]at.Entry{at.File("../.wh.etc", "", 0)}, "climbs up"},
		"a whiteout of nothing":         {[]at.Entry{at.File("etc/.wh.", "", 0)}, "a whiteout of nothing"},
		"a way through a file":          {[]at.Entry{at.File("f", "", 0o644), at.File("f/g", "", 0o644)}, "is a file, not a directory"},
		"a way through a file and on":   {[]at.Entry{at.File("f", "", 0o644), at.File("f/g/h", "", 0o644)}, "leads through a file"},
		"links in a circle":             {[]at.Entry{at.Link("a", "b"), at.Link("b", "a"), at.File("a/f", "", 0o644)}, "more than 40 links"},
		"a link to nowhere at all":      {[]at.Entry{at.Link("a", "")}, "points nowhere"},
		"an element that is too long":   {[]at.Entry{at.File(strings.Repeat("x", 256), "", 0o644)}, "more than 255 bytes"},
		"a device":                      {[]at.Entry{other(tar.TypeBlock)}, "a device outside of /dev"},
		"a pipe":                        {[]at.Entry{other(tar.TypeFifo)}, "pipes are not supported"},
		"a kind that tar does not have": {[]at.Entry{other('V')}, "an entry of type 'V' is not known here"},
		"a root that is a file":         {[]at.Entry{at.File(".", "x", 0o644)}, "the root must be a directory"},
		"too much":                      {[]at.Entry{at.File("a", strings.Repeat("x", 600), 0o644), at.File("b", strings.Repeat("x", 600), 0o644)}, "more than 1000 bytes"},
		"too many":                      {make9(t), "more than 8 entries"},
	} {
		tree, into := newTree(t, unpack.Limits{Bytes: 1000, Entries: 8})
		_, err := stack(t, tree, into, c.entries)
		require.ErrorContains(t, err, c.err, situation)
	}
	tree, _ := newTree(t, unpack.Limits{})
	whole := at.Tar(t, at.File("f", strings.Repeat("x", 2000), 0o644))
	_, err := tree.Apply(bytes.NewReader(whole[:1500]))
	require.ErrorContains(t, err, "unexpected EOF")
}

func make9(testing.TB) (entries []at.Entry) {
	for i := range 9 {
		entries = append(entries, at.Dir(fmt.Sprint(i), 0o755))
	}
	return entries
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	owned := func(e at.Entry, uid int) at.Entry { e.Uid = uid; return e }
	tree, into := newTree(t, unpack.Limits{})
	dirs, err := stack(t, tree, into, []at.Entry{
		at.File("plain", "", 0o644), at.File("secret", "", 0o600), at.File("unreadable", "", 0o111), at.File("setuid", "", 0o4755),
		owned(at.File("theirs", "", 0o700), 999), at.Dir("tmp", 0o1777), at.Dir("closed", 0o000), owned(at.Dir("home", 0o700), 999),
		at.File("deep/er/file", "", 0o600),
	}, []at.Entry{at.Dir("closed", 0o711)})
	require.NoError(t, err)
	for name, want := range map[string]fs.FileMode{
		"0/plain": 0o644, "0/secret": 0o600, "0/unreadable": 0o511, "0/setuid": 0o755, "0/theirs": 0o705,
		"0/tmp": fs.ModeDir | fs.ModeSticky | 0o777, "0/closed": fs.ModeDir | 0o700, "0/home": fs.ModeDir | 0o705,
		"0/deep": fs.ModeDir | 0o755, "1/closed": fs.ModeDir | 0o711,
	} {
		info, err := os.Lstat(filepath.Join(filepath.Dir(dirs[0]), name))
		require.NoError(t, err, name)
		require.Equal(t, want.String(), info.Mode().String(), name)
	}
}

func TestWhatIsVisibleIsLinkedNotCopied(t *testing.T) {
	t.Parallel()
	tree, into := newTree(t, unpack.Limits{})
	_, err := stack(t, tree, into,
		[]at.Entry{at.File("a", "shared", 0o644), at.File("b", "gone", 0o644), at.Hard("c", "a")},
		[]at.Entry{at.Gone("b")})
	require.NoError(t, err)
	inode := func(name string) uint64 {
		info, err := os.Stat(filepath.Join(into, name))
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Ino
	}
	require.Equal(t, inode("0/a"), inode("1/a"), "one copy in both layers")
	require.Equal(t, inode("0/a"), inode("0/c"))
	require.NoFileExists(t, filepath.Join(into, "1/b"))
}

func TestTheTreeIsSeenAsInAContainer(t *testing.T) {
	t.Parallel()
	tree, into := newTree(t, unpack.Limits{})
	_, err := stack(t, tree, into, []at.Entry{
		at.File("usr/bin/f", "#!/bin/sh\n", 0o755), at.Link("bin", "/usr/bin"), at.Link("etc", "../../../../../etc"), at.File("note", "n", 0o644), at.Dir("data", 0o755),
	})
	require.NoError(t, err)
	require.True(t, tree.Executable("/bin/f"))
	require.False(t, tree.Executable("/note"), "not executable")
	require.False(t, tree.Executable("/usr/bin"), "a directory")
	require.True(t, tree.Directory("/data"))
	require.False(t, tree.Directory("/note"))
	text, err := tree.ReadFile("bin/f", 4)
	require.NoError(t, err)
	require.Equal(t, "#!/b", string(text))
	_, err = tree.ReadFile("/etc/passwd", 10)
	require.Error(t, err, "not the host's")
	_, err = tree.Open("/data")
	require.ErrorContains(t, err, "no regular file")
}
