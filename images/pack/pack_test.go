package pack_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/functions"
	"microcosm/images/archive"
	at "microcosm/images/archive/archivetest"
	"microcosm/images/imported"
	"microcosm/images/isa"
	"microcosm/images/pack"
	"microcosm/images/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installed is a function as make -C functions install leaves it.
func installed(t *testing.T, arch string) (*functions.Function, string) {
	catalog, err := functions.Load()
	require.NoError(t, err)
	f, err := catalog.Lookup("fibonacci-go")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), f.Name)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "more"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, f.Name), []byte(at.Program(arch)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "more", "empty"), nil, 0o600))
	require.NoError(t, os.Symlink("more/empty", filepath.Join(dir, "link")))
	return f, dir
}

func base(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "base")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp"), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "tmp"), 0o777|os.ModeSticky))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "etc", "passwd"), []byte("root:x:0:0::/:/f\n"), 0o644))
	return dir
}

func TestPackedTwiceItIsTheSameToTheByte(t *testing.T) {
	t.Parallel()
	var digests []string
	for n := range 2 {
		f, dir := installed(t, "arm64")
		then := time.Unix(1e9*int64(n+1), 0)
		require.NoError(t, os.Chtimes(filepath.Join(dir, f.Name), then, then))
		file := filepath.Join(t.TempDir(), "f.tar")
		_, err := pack.Write(file, pack.Image{Function: f, ISA: isa.Arm, Dir: dir, Base: []string{base(t)}})
		require.NoError(t, err)
		digest, err := tree.File(file)
		require.NoError(t, err)
		digests = append(digests, digest)
	}
	require.Equal(t, digests[0], digests[1])
}

func TestWhatIsPackedCanBeImported(t *testing.T) {
	t.Parallel()
	f, x86 := installed(t, "amd64")
	_, arm := installed(t, "arm64")
	file := filepath.Join(t.TempDir(), "f.tar")
	digests, err := pack.Write(file,
		pack.Image{Function: f, ISA: isa.X86, Dir: x86, Base: []string{base(t)}},
		pack.Image{Function: f, ISA: isa.Arm, Dir: arm})
	require.NoError(t, err)
	a, err := archive.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	d, err := functions.Defined(f.Name)
	require.NoError(t, err)
	dir := t.TempDir()
	for n, i := range isa.All() {
		origin, err := imported.Import(imported.Into{Dir: dir, ISA: i}, imported.Function{
			Name: "again", Source: imported.Source{Archive: a, Image: pack.Name(f)}, Definition: d,
		})
		require.NoError(t, err)
		require.Equal(t, digests[n], origin.Image)
	}
	// A function's files come back as they were, one layer below the next.
	listed, err := imported.List(dir)
	require.NoError(t, err)
	require.Len(t, listed, 2)
	layers, err := filepath.Glob(filepath.Join(dir, "arm64/layers/oci-*[0-9a-f]"))
	require.NoError(t, err)
	require.Len(t, layers, 1)
	want, err := tree.Digest(arm)
	require.NoError(t, err)
	got, err := tree.Digest(filepath.Join(layers[0], "function"))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestOneImageIsReadByOldDockersToo(t *testing.T) {
	t.Parallel()
	f, dir := installed(t, "amd64")
	file := filepath.Join(t.TempDir(), "f.tar")
	_, err := pack.Write(file, pack.Image{Function: f, ISA: isa.X86, Dir: dir})
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), `"RepoTags":["microcosm/fibonacci-go:latest"]`)
	require.Contains(t, string(text), `"Layers":["blobs/sha256/`)
}

func TestNothingIsWrittenWhereSomethingIsWrong(t *testing.T) {
	t.Parallel()
	f, dir := installed(t, "arm64")
	file := filepath.Join(t.TempDir(), "f.tar")
	_, err := pack.Write(file, pack.Image{Function: f, ISA: isa.X86, Dir: dir})
	require.ErrorContains(t, err, "is for EM_AARCH64, not for x86_64: make -C functions install GOARCH=amd64")
	_, err = pack.Write(file, pack.Image{Function: f, ISA: isa.Arm, Dir: dir, Base: []string{filepath.Join(dir, "none")}})
	require.ErrorIs(t, err, os.ErrNotExist)
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Empty(t, entries)
}
