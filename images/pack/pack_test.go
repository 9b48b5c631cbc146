package pack_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"microcosm/functions"
	"microcosm/images/archive"
	at "microcosm/images/archive/archivetest"
	"microcosm/images/imported"
	"microcosm/images/isa"
	"microcosm/images/pack"
	"microcosm/images/tree"
	"microcosm/images/unpack"
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

// entries lists the tar's headers by name, in their order.
func entries(t *testing.T, file string) (names []string, headers map[string]*tar.Header) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	headers = map[string]*tar.Header{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, headers
		}
		require.NoError(t, err)
		names, headers[h.Name] = append(names, h.Name), h
	}
}

// TestLayersKeepWhatMatters: names, kinds, permissions, targets and contents, and
// nothing of who packed when.
func TestLayersKeepWhatMatters(t *testing.T) {
	t.Parallel()
	f, dir := installed(t, "amd64")
	file := filepath.Join(t.TempDir(), "f.tar")
	_, err := pack.Write(file, pack.Image{Function: f, ISA: isa.X86, Dir: dir, Base: []string{base(t)}})
	require.NoError(t, err)
	a, err := archive.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	e, err := a.Choose("", isa.X86)
	require.NoError(t, err)
	layers := a.Layers(e)
	require.Len(t, layers, 2, "the base below, the function above")
	type entry struct {
		kind   byte
		mode   int64
		target string
		size   int64
	}
	read := func(l archive.Layer) map[string]entry {
		r, err := l.Open()
		require.NoError(t, err)
		defer func() { require.NoError(t, r.Close()) }()
		got := map[string]entry{}
		for in := tar.NewReader(r); ; {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				return got
			}
			require.NoError(t, err)
			require.True(t, h.ModTime.Equal(time.Unix(1704067200, 0)), "%s is of %v", h.Name, h.ModTime)
			require.Zero(t, h.Uid+h.Gid)
			require.Empty(t, h.Uname+h.Gname)
			got[h.Name] = entry{h.Typeflag, h.Mode, h.Linkname, h.Size}
		}
	}
	require.Equal(t, map[string]entry{
		"./": {tar.TypeDir, 0o755, "", 0}, "etc/": {tar.TypeDir, 0o755, "", 0}, "tmp/": {tar.TypeDir, 0o1777, "", 0},
		"etc/passwd": {tar.TypeReg, 0o644, "", 17},
	}, read(layers[0]))
	require.Equal(t, map[string]entry{
		"function/": {tar.TypeDir, 0o755, "", 0}, "function/more/": {tar.TypeDir, 0o755, "", 0},
		"function/fibonacci-go": {tar.TypeReg, 0o755, "", int64(len(at.Program("amd64")))},
		"function/more/empty":   {tar.TypeReg, 0o600, "", 0},
		"function/link":         {tar.TypeSymlink, 0o777, "more/empty", 0},
	}, read(layers[1]))
}

func TestTheConfigurationSaysHowToStart(t *testing.T) {
	t.Parallel()
	f, dir := installed(t, "arm64")
	file := filepath.Join(t.TempDir(), "f.tar")
	_, err := pack.Write(file, pack.Image{Function: f, ISA: isa.Arm, Dir: dir})
	require.NoError(t, err)
	a, err := archive.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	e, err := a.Choose(pack.Name(f), isa.Arm)
	require.NoError(t, err)
	c := e.Config()
	require.Equal(t, "linux/arm64", e.Platform())
	require.Equal(t, f.Entrypoint("/function"), c.Config.Entrypoint)
	require.Equal(t, map[string]struct{}{fmt.Sprintf("%d/tcp", f.Port): {}}, c.Config.ExposedPorts)
	require.Equal(t, f.Name, c.Config.Labels["org.opencontainers.image.title"])
	require.Equal(t, f.Summary, c.Config.Labels["org.opencontainers.image.description"])
	require.True(t, c.Created.Equal(time.Unix(1704067200, 0)))
}

// TestABlobThatImagesShareStandsInTheArchiveOnce: both images stand on one base.
func TestABlobThatImagesShareStandsInTheArchiveOnce(t *testing.T) {
	t.Parallel()
	f, x86 := installed(t, "amd64")
	_, arm := installed(t, "arm64")
	below := base(t)
	file := filepath.Join(t.TempDir(), "f.tar")
	digests, err := pack.Write(file,
		pack.Image{Function: f, ISA: isa.X86, Dir: x86, Base: []string{below}},
		pack.Image{Function: f, ISA: isa.Arm, Dir: arm, Base: []string{below}})
	require.NoError(t, err)
	require.NotEqual(t, digests[0], digests[1])
	names, headers := entries(t, file)
	require.Len(t, headers, len(names), "no name twice")
	// The base, and of each image its files, its configuration and its manifest.
	require.Len(t, slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "blobs/sha256/") }), 7)
	require.Equal(t, []string{"oci-layout", "index.json"}, names[7:], "docker save's list knows no platforms")
	for name, h := range headers {
		require.EqualValues(t, 0o644, h.Mode, name)
	}
}

func TestWhatCannotBePacked(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		err   string
	}{
		"a pipe":    {func(t *testing.T, dir string) { require.NoError(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600)) }, "pipe is neither file, link nor directory"},
		"no folder": {func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) }, "no such file or directory"},
		"a program deep below that is for another ISA": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "more", "library.so"), []byte(at.Program("arm64")), 0o644))
		}, "library.so is for EM_AARCH64"},
	} {
		f, dir := installed(t, "amd64")
		c.spoil(t, dir)
		file := filepath.Join(t.TempDir(), "f.tar")
		require.NoError(t, os.WriteFile(file, []byte("what was there"), 0o600))
		_, err := pack.Write(file, pack.Image{Function: f, ISA: isa.X86, Dir: dir})
		require.ErrorContains(t, err, c.err, situation)
		require.ErrorContains(t, err, "pack "+file, situation)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "what was there", string(text), situation)
	}
	f, dir := installed(t, "amd64")
	_, err := pack.Write(filepath.Join(t.TempDir(), "none", "f.tar"), pack.Image{Function: f, ISA: isa.X86, Dir: dir})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestPackagesOfNPMAreALayerOfTheirOwn: the same for every function that has them, and
// together the layers hold what is installed.
func TestPackagesOfNPMAreALayerOfTheirOwn(t *testing.T) {
	t.Parallel()
	catalog, err := functions.Load()
	require.NoError(t, err)
	var all [][][]byte
	for _, name := range []string{"auth-nodejs", "paymentservice"} {
		f, err := catalog.Lookup(name)
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), name)
		file := filepath.Join(t.TempDir(), "f.tar")
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "server.js"), []byte(name), 0o644))
		_, err = pack.Write(file, pack.Image{Function: f, ISA: isa.X86, Dir: dir, Base: []string{base(t)}})
		require.ErrorContains(t, err, dir+" has no node_modules: make -C functions install-nodejs")
		require.NoFileExists(t, file)

		module := filepath.Join(dir, "node_modules", "long")
		require.NoError(t, os.MkdirAll(filepath.Join(module, "node_modules"), 0o755)) // npm nests them
		require.NoError(t, os.WriteFile(filepath.Join(module, "index.js"), []byte("1"), 0o644))
		_, err = pack.Write(file, pack.Image{Function: f, ISA: isa.X86, Dir: dir, Base: []string{base(t)}})
		require.NoError(t, err)
		all = append(all, layers(t, file, isa.X86))

		a, err := archive.Open(file)
		require.NoError(t, err)
		defer func() { require.NoError(t, a.Close()) }()
		e, err := a.Choose("", isa.X86)
		require.NoError(t, err)
		contents := unpack.New(filepath.Join(t.TempDir()), unpack.Limits{})
		for _, l := range a.Layers(e) {
			r, err := l.Open()
			require.NoError(t, err)
			_, err = contents.Apply(r)
			require.NoError(t, errors.Join(err, r.Close()))
		}
		merged := filepath.Join(t.TempDir(), "merged")
		require.NoError(t, contents.Write(merged, true))
		want, err := tree.Digest(dir)
		require.NoError(t, err)
		got, err := tree.Digest(filepath.Join(merged, "function"))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Len(t, all[0], 3)
	require.Equal(t, all[0][:2], all[1][:2], "the base and npm's packages")
	require.NotEqual(t, all[0][2], all[1][2])
	require.NotContains(t, string(all[0][2]), "node_modules")
}
