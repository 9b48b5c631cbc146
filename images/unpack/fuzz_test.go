package unpack_test

import (
	"bytes"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	at "microcosm/images/archive/archivetest"
	"microcosm/images/unpack"
)

// naive is what image-spec's layer.md says, on a map from path to contents
// ("/" for a directory), without links.
type naive map[string]string

func (n naive) remove(name string) {
	for p := range n {
		if p == name || strings.HasPrefix(p, name+"/") {
			delete(n, p)
		}
	}
}

func (n naive) apply(entries []at.Entry) {
	for _, e := range entries { // whiteouts hide what is below, so they come first
		dir, base := path.Split(e.Name)
		dir = strings.TrimSuffix(dir, "/")
		switch {
		case base == ".wh..wh..opq":
			for p := range n {
				if strings.HasPrefix(p, dir+"/") {
					n.remove(p)
				}
			}
		case strings.HasPrefix(base, ".wh."):
			n.remove(path.Join(dir, strings.TrimPrefix(base, ".wh.")))
		}
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name, "/")
		if strings.HasPrefix(path.Base(name), ".wh.") {
			continue
		}
		if len(e.Contents) > 0 {
			n.remove(name)
			n[name] = " " + e.Contents
		} else {
			n[name] = "/"
		}
	}
}

func (n naive) String() string {
	var lines []string
	for _, p := range slices.SortedFunc(maps.Keys(n), func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	}) {
		lines = append(lines, p+n[p])
	}
	return strings.Join(lines, "\n")
}

// TestStackedLayersAreTheUnion compares what a container sees of the written
// directories with a naive application of the same layers.
func TestStackedLayersAreTheUnion(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(scratch, "")
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(dir)) }()
		contents := filepath.Join(dir, "contents")
		require.NoError(t, os.Mkdir(contents, 0o700))
		tree, want := unpack.New(contents, unpack.Limits{}), naive{}
		var layers [][]at.Entry
		for range rapid.IntRange(1, 5).Draw(r, "layers") {
			entries := layer(r)
			layers = append(layers, entries)
			want.apply(entries)
		}
		dirs, err := stack(t, tree, dir, layers...)
		require.NoError(r, err)
		require.Equal(r, want.String(), union(t, dirs))
	})
}

// layer draws a layer in which no name is a file and a directory at once.
func layer(r *rapid.T) []at.Entry {
	var entries []at.Entry
	used := map[string]bool{} // files and whiteouts
	dirs := map[string]bool{}
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	for range rapid.IntRange(0, 6).Draw(r, "entries") {
		depth := rapid.IntRange(1, 3).Draw(r, "depth")
		var elements []string
		blocked := false
		for range depth {
			elements = append(elements, name.Draw(r, "name"))
			blocked = blocked || used[path.Join(elements...)] && len(elements) < depth
		}
		full := path.Join(elements...)
		if blocked || used[full] || dirs[full] {
			continue
		}
		for n := 1; n < depth; n++ { // as every tool writes them
			if dir := path.Join(elements[:n]...); !dirs[dir] {
				dirs[dir] = true
				entries = append(entries, at.Dir(dir, 0o755))
			}
		}
		switch rapid.IntRange(0, 3).Draw(r, "kind") {
		case 0, 1:
			used[full] = true
			entries = append(entries, at.File(full, rapid.StringMatching(`[a-z]{1,3}`).Draw(r, "contents"), 0o644))
		case 2:
			used[full] = true
			entries = append(entries, at.Gone(full))
		case 3:
			dirs[full] = true
			entries = append(entries, at.Dir(full, 0o755), at.Opaque(full))
		}
	}
	return entries
}

// FuzzApply applies whatever may be given as a layer: nothing appears outside of
// the directories that are made for it.
func FuzzApply(f *testing.F) {
	f.Add(at.Tar(f, at.File("a/b", "c", 0o644), at.Hard("d", "a/b"), at.Gone("e")), at.Tar(f, at.Opaque("a"), at.Link("x", "/a")))
	f.Add(at.Tar(f, at.Link("a", "../.."), at.File("a/b", "c", 0o644)), at.Tar(f, at.File("a/../b", "", 0o600)))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		scratch := t.TempDir()
		contents := filepath.Join(scratch, "contents")
		require.NoError(t, os.Mkdir(contents, 0o700))
		tree := unpack.New(contents, unpack.Limits{Bytes: 1 << 20, Entries: 100})
		for _, layer := range [][]byte{one, two} {
			hides, err := tree.Apply(bytes.NewReader(layer))
			if err != nil {
				break
			}
			dir := filepath.Join(scratch, "layer")
			require.NoError(t, tree.Write(dir, hides))
			require.NoError(t, os.RemoveAll(dir))
		}
		left, err := os.ReadDir(scratch)
		require.NoError(t, err)
		require.Len(t, left, 1)
	})
}
