package imported_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
	"microcosm/images"
	"microcosm/images/archive"
	at "microcosm/images/archive/archivetest"
	"microcosm/images/guest/oci"
	"microcosm/images/imported"
	"microcosm/images/isa"
	"microcosm/images/rootfs"
	"microcosm/images/unpack"
)

// service is an image as vSwarm's are: a base, a program above it, something
// hidden in between.
func service(arch string) at.Image {
	return at.Image{
		Name: "vhiveease/fibonacci-go:latest", Arch: arch,
		Config: map[string]any{
			"Entrypoint": []string{"server"}, "Cmd": []string{"--verbose"}, "Env": []string{"PATH=/app", "A=b"}, "WorkingDir": "/app",
			"User": "svc", "ExposedPorts": map[string]any{"50051/tcp": struct{}{}}, "Volumes": map[string]any{"/data": struct{}{}},
		},
		Layers: [][]at.Entry{
			{at.File("etc/passwd", "root:x:0:0::/:/bin/sh\nsvc:x:998:997::/:/bin/sh\n", 0o644), at.File("etc/secret", "s", 0o600), at.Dir("data", 0o755)},
			{at.File("app/server", at.Program(arch), 0o755)},
			{at.Gone("etc/secret")},
			{at.File("app/config", "c", 0o644)},
		},
	}
}

func open(t *testing.T, file []byte) *archive.Archive {
	a, err := archive.Open(at.Write(t, file))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func fibonacci(t *testing.T, a *archive.Archive) imported.Function {
	d, err := functions.Defined("fibonacci-go")
	require.NoError(t, err)
	return imported.Function{Name: "fib", Source: imported.Source{Archive: a}, Definition: d}
}

// files lists what is in a directory.
func files(t *testing.T, dir string) (names []string) {
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if rel != "." {
			names = append(names, rel)
		}
		return err
	})
	require.NoError(t, err)
	return names
}

func TestAnImageBecomesAFunctionOfTheGuest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	origin, err := imported.Import(imported.Into{Dir: dir, ISA: isa.X86}, fibonacci(t, open(t, at.Layout(t, nil, service("amd64")))))
	require.NoError(t, err)
	require.Len(t, origin.Layers, 4)

	staged := filepath.Join(dir, "x86_64")
	layers, list, err := images.Staged([]string{staged}, []rootfs.Layer{{Name: "skeleton"}})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "fib", list[0].Name)

	text, err := os.ReadFile(filepath.Join(list[0].Dir, oci.Description))
	require.NoError(t, err)
	f, err := oci.ParseFunction(text)
	require.NoError(t, err)
	top := f.Layers[0]
	require.Equal(t, oci.Function{
		Layers: []string{top}, Args: []string{"server", "--verbose"}, Env: []string{"PATH=/app", "A=b"}, Dir: "/app",
		Port: 50051, UID: 998, GID: 997, Writable: []string{"/data"},
	}, f)

	hosts, err := os.ReadFile(filepath.Join(list[0].Dir, oci.Root, "etc", "hosts"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1\tlocalhost\n", string(hosts))

	index := map[string][]string{}
	for _, l := range layers {
		index[l.Name] = l.On
	}
	lower, err := oci.Lower(index, "", f.Layers)
	require.NoError(t, err)
	dirs := strings.Split(lower, ":")
	require.Equal(t, "skeleton", filepath.Base(dirs[len(dirs)-1]), "mount points lie below everything")
	dirs = dirs[:len(dirs)-1]
	require.Len(t, dirs, 2, "what stands above the whiteout, and all that it leaves: %s", lower)
	var visible []string
	for _, d := range dirs {
		visible = append(visible, files(t, filepath.Join(staged, "layers", filepath.Base(d)))...)
	}
	require.ElementsMatch(t, []string{"app", "app", "app/config", "app/server", "data", "etc", "etc/passwd"}, visible)

	catalog, err := functions.Read(os.DirFS(list[0].Dir))
	require.NoError(t, err)
	adopted, err := catalog.Lookup("fib")
	require.NoError(t, err)
	require.Equal(t, functions.Native, adopted.Runtime)
	require.Equal(t, []string{"server", "--verbose"}, adopted.Argv)

	listed, err := imported.List(dir)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, isa.X86, listed[0].ISA)
	require.Equal(t, origin, listed[0].Origin)
	require.Positive(t, listed[0].Bytes)
}

func TestImportedTwiceItIsTheSame(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	one, two := open(t, at.Save(t, service("arm64"))), open(t, at.Layout(t, nil, service("arm64")))
	for dir, a := range map[string]*archive.Archive{first: one, second: two} {
		_, err := imported.Import(imported.Into{Dir: dir, ISA: isa.Arm}, fibonacci(t, a))
		require.NoError(t, err)
	}
	digests := func(dir string) (all []string) {
		layers, list, err := images.Staged([]string{filepath.Join(dir, "arm64")}, []rootfs.Layer{{Name: "skeleton"}})
		require.NoError(t, err)
		for _, l := range layers {
			all = append(all, l.Name, l.Digest)
		}
		return append(all, list[0].Digest)
	}
	require.Equal(t, digests(first), digests(second), "whatever the archive's form")
}

func TestLayersAreShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	into := imported.Into{Dir: dir, ISA: isa.X86}
	other := service("amd64")
	other.Name = "other"
	other.Layers = append(other.Layers[:1:1], []at.Entry{at.File("app/server", at.Program("amd64"), 0o755), at.File("more", "m", 0o644)})
	_, err := imported.Import(into, fibonacci(t, open(t, at.Save(t, service("amd64")))))
	require.NoError(t, err)
	before := len(layersIn(t, dir))
	f := fibonacci(t, open(t, at.Save(t, other)))
	f.Name = "fib2"
	_, err = imported.Import(into, f)
	require.NoError(t, err)
	require.Len(t, layersIn(t, dir), before+1, "the base is there already")
}

func layersIn(t *testing.T, dir string) []string {
	names, err := filepath.Glob(filepath.Join(dir, "*", "layers", "oci-*[0-9a-f]"))
	require.NoError(t, err)
	return names
}

func TestWhatAComposeFileSaysComesFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := service("amd64")
	store.Name = "mongo:4.2"
	store.Config = map[string]any{"Cmd": []string{"/app/server"}, "ExposedPorts": map[string]any{"27017/tcp": struct{}{}}}
	a := open(t, at.Save(t, service("amd64"), store))
	f := fibonacci(t, a)
	f.Source.Image = "vhiveease/fibonacci-go"
	f.Start = imported.Start{Entrypoint: []string{"/app/server", "--port=8083"}, Env: []string{"A=c", "B=d"}, Dir: "/", User: "5:6", MemoryMiB: 64, Port: 8083}
	f.Hosts = []string{"database", "cache"}
	f.Dependencies = []imported.Dependency{{Name: "database", Source: imported.Source{Archive: a, Image: "mongo:4.2"}}}
	origin, err := imported.Import(imported.Into{Dir: dir, ISA: isa.X86}, f)
	require.NoError(t, err)
	require.Equal(t, []string{"mongo:4.2"}, origin.Dependencies["database"].Names)

	read := func(name string) oci.Function {
		text, err := os.ReadFile(filepath.Join(dir, "x86_64/functions/fib", name))
		require.NoError(t, err)
		f, err := oci.ParseFunction(text)
		require.NoError(t, err)
		f.Layers = nil
		return f
	}
	require.Equal(t, oci.Function{
		Args: []string{"/app/server", "--port=8083"}, Env: []string{"PATH=/app", "A=c", "B=d"}, Dir: "/",
		Port: 8083, UID: 5, GID: 6, MemoryMiB: 64, Writable: []string{"/data"},
	}, read("function.json"), "another entry point makes the image's command void")
	require.Equal(t, oci.Function{Args: []string{"/app/server"}, Port: 27017}, read("dependencies/database.json"))
	hosts, err := os.ReadFile(filepath.Join(dir, "x86_64/functions/fib/root/etc/hosts"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1\tlocalhost\n127.0.0.1\tcache\n127.0.0.1\tdatabase\n", string(hosts))
	catalog, err := functions.Read(os.DirFS(filepath.Join(dir, "x86_64/functions/fib")))
	require.NoError(t, err)
	adopted, err := catalog.Lookup("fib")
	require.NoError(t, err)
	require.Equal(t, "database", adopted.Dependencies[0].Name)
	require.Equal(t, 64, adopted.MemoryMiB)
	listed, err := imported.List(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"database"}, listed[0].Needs())
}

func TestAFailedImportLeavesNoTrace(t *testing.T) {
	t.Parallel()
	change := func(f func(*at.Image)) []byte {
		i := service("amd64")
		f(&i)
		return at.Save(t, i)
	}
	for situation, c := range map[string]struct {
		file []byte
		edit func(*imported.Function)
		err  string
	}{
		"an image for the other ISA": {at.Save(t, service("arm64")), nil, "holds no image for x86_64 (linux/amd64); it holds vhiveease/fibonacci-go:latest (linux/arm64)"},
		"an image that lies about its ISA": {change(func(i *at.Image) {
			i.Layers[1][0].Contents = at.Program("arm64")
		}), nil, "/app/server, which is for EM_AARCH64, not for x86_64"},
		"a script without its interpreter": {change(func(i *at.Image) {
			i.Layers[1][0].Contents = "#!/usr/bin/python3 -u\n"
		}), nil, "/usr/bin/python3, which is not in the image"},
		"a program that is text": {change(func(i *at.Image) { i.Layers[1][0].Contents = "hello" }), nil, "neither an ELF program nor a script"},
		"no program at all":      {change(func(i *at.Image) { i.Config["Entrypoint"] = []string{"none"} }), nil, "none, which is not in the image"},
		"nothing to start": {change(func(i *at.Image) {
			delete(i.Config, "Entrypoint")
			delete(i.Config, "Cmd")
		}), nil, "says nothing about what to start"},
		"a user that there is not":  {change(func(i *at.Image) { i.Config["User"] = "nobody" }), nil, `user "nobody" is not in its /etc/passwd`},
		"a group that there is not": {change(func(i *at.Image) { i.Config["User"] = "svc:none" }), nil, `group "none" is not in its /etc/group`},
		"two ports": {change(func(i *at.Image) {
			i.Config["ExposedPorts"] = map[string]any{"1/tcp": struct{}{}, "2/tcp": struct{}{}}
		}), nil, "exposes 2 ports: say with --port"},
		"a port of another protocol": {change(func(i *at.Image) { i.Config["ExposedPorts"] = map[string]any{"53/udp": struct{}{}} }), nil, "no TCP port"},
		"a volume that there is not": {change(func(i *at.Image) { i.Config["Volumes"] = map[string]any{"/none": struct{}{}} }), nil, "volume /none"},
		"no layers":                  {change(func(i *at.Image) { i.Layers = nil }), nil, "has no layers"},
		"a layer that escapes": {change(func(i *at.Image) {
			i.Layers[3] = []at.Entry{at.File("../../../x", "", 0o644)}
		}), nil, "climbs up"},
		"a layer that is cut short": {func() []byte {
			return []byte(strings.Replace(string(at.Save(t, service("amd64"))), "root:x:0:0", "root:x:1:0", 1))
		}(), nil, "corrupt archive"},
		"a name that is none":     {at.Save(t, service("amd64")), func(f *imported.Function) { f.Name = "No_Name" }, "choose another with --name"},
		"a name of the catalog's": {at.Save(t, service("amd64")), func(f *imported.Function) { f.Name = "aes-go" }, "the catalog has a function of that name: choose another with --name"},
		"a port that is none, and no user": {change(func(i *at.Image) { i.Config["User"] = "nobody" }), func(f *imported.Function) { f.Start.Port = 70000 },
			"port 70000: want 1 to 65535\nits user \"nobody\" is not in its /etc/passwd: a compose file can name another"},
		"a dependency that is not there": {at.Save(t, service("amd64")), func(f *imported.Function) {
			f.Dependencies = []imported.Dependency{{Name: "db", Source: imported.Source{Archive: f.Source.Archive, Image: "mongo"}}}
		}, "holds no image mongo"},
		"a dependency at the function's own port": {at.Save(t, service("amd64")), func(f *imported.Function) {
			f.Dependencies = []imported.Dependency{{Name: "db", Source: f.Source}}
		}, "fib and db both listen at port 50051, and share a network in a guest: have one listen elsewhere"},
	} {
		dir := filepath.Join(t.TempDir(), "staged")
		f := fibonacci(t, open(t, c.file))
		if c.edit != nil {
			c.edit(&f)
		}
		_, err := imported.Import(imported.Into{Dir: dir, ISA: isa.X86}, f)
		require.ErrorContains(t, err, c.err, situation)
		require.NoDirExists(t, dir, situation)
	}
}

func TestAFunctionIsReplacedOnDemandOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	into := imported.Into{Dir: dir, ISA: isa.X86}
	f := fibonacci(t, open(t, at.Save(t, service("amd64"))))
	_, err := imported.Import(into, f)
	require.NoError(t, err)
	before := files(t, dir)
	_, err = imported.Import(into, f)
	require.ErrorIs(t, err, imported.ErrExists)
	require.Equal(t, before, files(t, dir))
	into.Replace = true
	f.Start.Command = []string{"--quiet"}
	_, err = imported.Import(into, f)
	require.NoError(t, err)
	require.Equal(t, before, files(t, dir), "the same files, and nothing of the old function's")
	text, err := os.ReadFile(filepath.Join(dir, "x86_64/functions/fib/function.json"))
	require.NoError(t, err)
	require.Contains(t, string(text), "--quiet")
	into.Limits = unpack.Limits{Bytes: 10}
	_, err = imported.Import(into, f)
	require.ErrorContains(t, err, "more than 10 bytes")
	require.Equal(t, before, files(t, dir), "what was there stays")
}

func TestListTellsWhatIsBroken(t *testing.T) {
	t.Parallel()
	_, err := imported.List(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	dir := t.TempDir()
	_, err = imported.Import(imported.Into{Dir: dir, ISA: isa.X86}, fibonacci(t, open(t, at.Save(t, service("amd64")))))
	require.NoError(t, err)
	for _, l := range layersIn(t, dir) {
		require.NoError(t, os.RemoveAll(l))
	}
	_, err = imported.List(dir)
	require.ErrorContains(t, err, "which is gone: import it again with --replace")
	origin := filepath.Join(dir, "x86_64/functions/fib/origin.json")
	require.True(t, json.Valid(mustRead(t, origin)))
	require.NoError(t, os.WriteFile(origin, []byte("{"), 0o644))
	_, err = imported.List(dir)
	require.ErrorContains(t, err, "import the function again")
}

func mustRead(t *testing.T, file string) []byte {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return text
}
