package pack_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/functions"
	"microcosm/images/archive"
	at "microcosm/images/archive/archivetest"
	"microcosm/images/isa"
	"microcosm/images/pack"
	"microcosm/images/tree"
	"microcosm/images/unpack"
)

// grow plants a tree by chance, of what a layer can hold: owners may read what is theirs.
func grow(t *rapid.T, root string) {
	require.NoError(t, os.Mkdir(root, 0o755))
	dirs := []string{root}
	name := rapid.OneOf(rapid.SampledFrom([]string{"a", "b c", "é", "-x", "漢字", ".hidden", strings.Repeat("n", 255)}), rapid.StringMatching(`[a-zA-Z0-9_.+~]{1,110}x`))
	for range rapid.IntRange(0, 12).Draw(t, "entries") {
		path := filepath.Join(rapid.SampledFrom(dirs).Draw(t, "in"), name.Draw(t, "name"))
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			require.NoError(t, os.Mkdir(path, 0o755))
			require.NoError(t, os.Chmod(path, rapid.SampledFrom([]fs.FileMode{0o755, 0o700, 0o511 | 0o200, 0o777 | fs.ModeSticky}).Draw(t, "mode")))
			dirs = append(dirs, path)
		case 1:
			require.NoError(t, os.Symlink(rapid.SampledFrom([]string{"a", "../..", "/etc/passwd", strings.Repeat("t/", 200)}).Draw(t, "target"), path))
		default:
			require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("x\x00"), rapid.IntRange(0, 800).Draw(t, "size")), 0o600))
			require.NoError(t, os.Chmod(path, rapid.SampledFrom([]fs.FileMode{0o644, 0o755, 0o400, 0o600, 0o666}).Draw(t, "mode")))
			if os.Geteuid() == 0 { // whose it is, is no part of an image
				require.NoError(t, os.Lchown(path, 1234, 5678))
			}
		}
	}
}

// layers returns the contents of an archive's only image.
func layers(t require.TestingT, file string, i isa.ISA) (all [][]byte) {
	a, err := archive.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	e, err := a.Choose("", i)
	require.NoError(t, err)
	for _, l := range a.Layers(e) {
		r, err := l.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		all = append(all, text)
	}
	return all
}

// TestWhatIsPackedIsUnpackedAsItWas: by unpack, and by tar as a second opinion.
func TestWhatIsPackedIsUnpackedAsItWas(t *testing.T) {
	t.Parallel()
	catalog, err := functions.Load()
	require.NoError(t, err)
	f, err := catalog.Lookup("fibonacci-go")
	require.NoError(t, err)
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(dir)) }()
		own, below, file := filepath.Join(dir, "own"), filepath.Join(dir, "below"), filepath.Join(dir, "f.tar")
		grow(t, own)
		grow(t, below)
		digests, err := pack.Write(file, pack.Image{Function: f, ISA: isa.Arm, Dir: own, Base: []string{below}})
		require.NoError(t, err)
		require.Len(t, digests, 1)
		packed := layers(t, file, isa.Arm)
		require.Len(t, packed, 2)

		contents := filepath.Join(dir, "contents")
		require.NoError(t, os.Mkdir(contents, 0o700))
		image := unpack.New(contents, unpack.Limits{})
		for i, want := range []string{below, own} {
			hides, err := image.Apply(bytes.NewReader(packed[i]))
			require.NoError(t, err)
			require.False(t, hides)
			got := filepath.Join(dir, "layer"+string(rune('0'+i)))
			require.NoError(t, image.Write(got, false))
			if want == own {
				got = filepath.Join(got, "function")
			}
			same(t, want, got)
			tarred := filepath.Join(dir, "tar"+string(rune('0'+i)))
			require.NoError(t, os.Mkdir(tarred, 0o755))
			cmd := exec.Command("tar", "-C", tarred, "-xpf", "-")
			cmd.Stdin = bytes.NewReader(packed[i])
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			if want == own {
				tarred = filepath.Join(tarred, "function")
			}
			same(t, want, tarred)
		}
	})
}

func same(t *rapid.T, want, got string) {
	a, err := tree.Digest(want)
	require.NoError(t, err)
	b, err := tree.Digest(got)
	require.NoError(t, err)
	require.Equal(t, a, b, got)
}

// TestADiskThatIsFullLeavesWhatWasThere: the process may write files of so many bytes
// and no more.
func TestADiskThatIsFullLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("PACK_TEST_FULL"); dir != "" {
		catalog, err := functions.Load()
		require.NoError(t, err)
		f, err := catalog.Lookup("fibonacci-go")
		require.NoError(t, err)
		_, err = pack.Write(filepath.Join(dir, "f.tar"), pack.Image{Function: f, ISA: isa.X86, Dir: filepath.Join(dir, f.Name)})
		require.ErrorContains(t, err, "file too large")
		return
	}
	f, dir := installed(t, "amd64")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large"), make([]byte, 4<<20), 0o644))
	parent := filepath.Dir(dir)
	require.NoError(t, os.WriteFile(filepath.Join(parent, "f.tar"), []byte("before"), 0o644))
	cmd := exec.Command("sh", "-c", `trap '' XFSZ; ulimit -f 2048; exec "$0" "$@"`, os.Args[0], "-test.run=^TestADiskThatIsFullLeavesWhatWasThere$", "-test.v")
	cmd.Env = append(os.Environ(), "PACK_TEST_FULL="+parent)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS: TestADiskThatIsFullLeavesWhatWasThere")
	text, err := os.ReadFile(filepath.Join(parent, "f.tar"))
	require.NoError(t, err)
	require.Equal(t, "before", string(text))
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.ElementsMatch(t, []string{"f.tar", f.Name}, names, "nothing is left aside")
}

// TestAProgramForTheOtherISAIsFoundWhereverItLies: at any depth, under any name, unless
// it is no program.
func TestAProgramForTheOtherISAIsFoundWhereverItLies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, contents string
		refused        bool
	}{
		"a program":                {"tool", at.Program("amd64"), true},
		"deep below":               {"a/b/c/d/lib.so.1", at.Program("amd64"), true},
		"hidden":                   {".x", at.Program("amd64"), true},
		"of this ISA":              {"tool", at.Program("arm64"), false},
		"a program's first bytes":  {"tool", at.Program("amd64")[:5], false},
		"a text that looks like":   {"tool", "ELF", false},
		"an empty file":            {"tool", "", false},
		"a script for another one": {"tool", "#!/lib64/ld-linux-x86-64.so.2\n", false},
	} {
		f, dir := installed(t, "arm64")
		path := filepath.Join(dir, c.file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(c.contents), 0o644))
		_, err := pack.Write(filepath.Join(t.TempDir(), "f.tar"), pack.Image{Function: f, ISA: isa.Arm, Dir: dir})
		if c.refused {
			require.ErrorContains(t, err, path+" is for EM_X86_64, not for arm64", name)
			continue
		}
		require.NoError(t, err, name)
	}
}
