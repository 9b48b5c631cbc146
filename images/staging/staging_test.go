package staging_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
	"microcosm/images/cache"
	"microcosm/images/guest/oci"
	"microcosm/images/isa"
	"microcosm/images/rootfs"
	"microcosm/images/staging"
	"microcosm/images/tool"
)

// layers are as package rootfs makes them, as far as staging looks at them.
var layers = []rootfs.Layer{
	{Name: "jinja2", On: []string{"python", "libc", "skeleton"}, Packages: []rootfs.Package{{Name: "python3-jinja2"}, {Name: "python3-markupsafe"}}},
	{Name: "libc", On: []string{"skeleton"}, Packages: []rootfs.Package{{Name: "libc6"}}},
	{Name: "node", On: []string{"libc", "skeleton"}, Packages: []rootfs.Package{{Name: "libuv1"}}},
	{Name: "pyaes", On: []string{"python", "libc", "skeleton"}, Packages: []rootfs.Package{{Name: "python3-pyaes"}}},
	{Name: "python", On: []string{"libc", "skeleton"}, Packages: []rootfs.Package{{Name: "python3-minimal"}, {Name: "python3-grpcio"}, {Name: "python3-protobuf"}}},
	{Name: "skeleton"},
}

func lookup(t *testing.T, name string) *functions.Function {
	t.Helper()
	all, err := functions.Load()
	require.NoError(t, err)
	f, err := all.Lookup(name)
	require.NoError(t, err)
	return f
}

func TestLayersBelowAFunction(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"fibonacci-go":     nil,
		"fibonacci-python": nil,
		"aes-python":       {"pyaes"},
		"emailservice":     {"jinja2"},
		"aes-nodejs":       {"npm"},
	} {
		got, err := staging.Below(lookup(t, name), layers)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
}

func TestPackagesThatNoLayerHoldsAreNamed(t *testing.T) {
	t.Parallel()
	f := *lookup(t, "aes-python")
	f.Packages.Debian = []string{"python3", "python3-numpy", "python3-grpcio", "libc6", "python3-scipy"}
	_, err := staging.Below(&f, layers)
	require.ErrorContains(t, err, "aes-python needs the Debian package python3-numpy, which no layer holds")
	require.ErrorContains(t, err, "python3-scipy")
	require.NotContains(t, err.Error(), "grpcio")
	require.NotContains(t, err.Error(), "libc6", "what a runtime's layer stands on is there, too")
}

// source writes a Makefile that installs a file for every function of the
// catalog, and lists what it was asked for.
func source(t *testing.T, recipe string) string {
	t.Helper()
	dir := t.TempDir()
	all, err := functions.Load()
	require.NoError(t, err)
	if recipe == "" {
		recipe = "@for f in " + strings.Join(all.Names(), " ") + "; do install -D -m 755 Makefile $(DESTDIR)/$$f/program; done"
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "nodejs"), 0o755))
	for name, text := range map[string]string{
		"nodejs/package.json": "{}", "nodejs/package-lock.json": "{}",
		"Makefile": "install-go:\n\t" + recipe + "\n\t@echo $@ $(GOARCH) >>asked\ninstall-python:\n\t@echo $@ $(PYTHON) >>asked\n" +
			"install-nodejs-files:\n\t@echo $@ >>asked\nnodejs-modules:\n\t@mkdir -p $(MODULES)/node_modules/crypto-js && echo $@ >>asked\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func options(t *testing.T, source string) staging.Options {
	t.Helper()
	if err := tool.Require("go", "make", "npm", rootfs.Python); err != nil {
		t.Skip(err)
	}
	c, err := cache.Open(t.TempDir())
	require.NoError(t, err)
	return staging.Options{ISA: isa.Arm, Cache: c, Source: source, Installed: filepath.Join(t.TempDir(), "installed"), Layers: layers}
}

func TestStageLaysEveryFunctionDown(t *testing.T) {
	t.Parallel()
	o := options(t, source(t, ""))
	all, err := functions.Load()
	require.NoError(t, err)
	for range 2 { // the second time npm's packages are there
		dir := t.TempDir()
		require.NoError(t, staging.Stage(context.Background(), o, dir))
		for _, name := range all.Names() {
			text, err := os.ReadFile(filepath.Join(dir, "functions", name, "function.json"))
			require.NoError(t, err)
			f, err := oci.ParseFunction(text)
			require.NoError(t, err, name)
			require.True(t, f.ChoosesPort(), name)
			require.FileExists(t, filepath.Join(dir, "functions", name, "root", "function", "program"))
		}
		require.DirExists(t, filepath.Join(dir, "layers", "npm", "function", "node_modules", "crypto-js"))
		on, err := os.ReadFile(filepath.Join(dir, "layers", "npm.on"))
		require.NoError(t, err)
		require.Equal(t, "node\n", string(on))
	}
	asked, err := os.ReadFile(filepath.Join(o.Source, "asked"))
	require.NoError(t, err)
	once := "install-go arm64\ninstall-python python3.11\ninstall-nodejs-files\n"
	require.Equal(t, once+"nodejs-modules\n"+once, string(asked))
}

func TestAFunctionThatDoesNotBuildIsAnErrorThatTellsWhy(t *testing.T) {
	t.Parallel()
	o := options(t, source(t, "@echo 'main.go:7: error: undefined: x'; exit 1"))
	err := staging.Stage(context.Background(), o, t.TempDir())
	require.ErrorContains(t, err, "install the functions for arm64")
	require.ErrorContains(t, err, "main.go:7: error: undefined: x")
}

func TestFunctionsThatWereNotInstalledAreNamed(t *testing.T) {
	t.Parallel()
	o := options(t, source(t, "@install -D -m 755 Makefile $(DESTDIR)/geo/program"))
	err := staging.Stage(context.Background(), o, t.TempDir())
	require.ErrorContains(t, err, "stage aes-go")
	require.ErrorContains(t, err, "stage user")
	require.NotContains(t, err.Error(), "stage geo")
}

func TestAMissingToolIsNamedWithItsPackage(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := staging.Stage(context.Background(), staging.Options{}, t.TempDir())
	require.ErrorContains(t, err, "npm is missing: apt-get install npm")
	require.ErrorContains(t, err, "make is missing")
}

func TestTheListsOfTheProductHoldWhatFunctionsNeed(t *testing.T) {
	t.Parallel()
	// What the layers' lists name, without building them.
	all, err := functions.Load()
	require.NoError(t, err)
	lists, err := filepath.Glob("../rootfs/layers/*.list")
	require.NoError(t, err)
	var text strings.Builder
	for _, l := range lists {
		b, err := os.ReadFile(l)
		require.NoError(t, err)
		text.Write(b)
	}
	for _, name := range all.Names() {
		f := lookup(t, name)
		packages := f.Packages.Debian
		for _, d := range f.Dependencies {
			packages = append(packages, d.Packages.Debian...)
		}
		for _, p := range packages {
			if p != "python3" { // python3-minimal is what it is made of
				require.Contains(t, text.String(), "\npackage "+p+"\n", name)
			}
		}
	}
}
