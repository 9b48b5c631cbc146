package functions_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
)

func TestAnAdoptedFunctionIsAskedTheSame(t *testing.T) {
	t.Parallel()
	catalog, err := functions.Load()
	require.NoError(t, err)
	for _, name := range catalog.Names() {
		d, err := functions.Defined(name)
		require.NoError(t, err)
		text, err := d.Adopt(functions.Adoption{Name: "adopted", Port: 1234, Command: []string{"/app/server", "--port", "1234"}})
		require.NoError(t, err, name)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "function.yaml"), text, 0o644))
		require.NoError(t, d.Copy(dir))
		read, err := functions.Read(os.DirFS(dir))
		require.NoError(t, err, name)
		adopted, err := read.Lookup("adopted")
		require.NoError(t, err)
		original, err := catalog.Lookup(name)
		require.NoError(t, err)
		require.Equal(t, functions.Native, adopted.Runtime)
		if strings.Contains(string(text), "checker:") {
			require.Contains(t, string(text), "  runtime: "+original.Runtime.String()+"\n", "%s: its replies stay those of what it is written in", name)
		}
		require.Equal(t, 1234, adopted.Port)
		require.Equal(t, original.MemoryMiB, adopted.MemoryMiB)
		require.Equal(t, original.Dependencies, adopted.Dependencies, name)
		require.Empty(t, adopted.Packages)
		require.Equal(t, original.Classes(), adopted.Classes())
		for _, class := range original.Classes() {
			for n := range 3 {
				want, err := original.Call(class, 7, n)
				require.NoError(t, err)
				got, err := adopted.Call(class, 7, n)
				require.NoError(t, err)
				require.Equal(t, want.Method, got.Method, "%s %s %d", name, class, n)
				require.Equal(t, want.Request, got.Request, "%s %s %d", name, class, n)
			}
		}
	}
}

func TestAdoptedDependenciesReplaceTheDefinitions(t *testing.T) {
	t.Parallel()
	d, err := functions.Defined("profile")
	require.NoError(t, err)
	read := func(a functions.Adoption) []functions.Dependency {
		a.Name, a.Port, a.Command = "p", 1, []string{"/p"}
		text, err := d.Adopt(a)
		require.NoError(t, err)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "function.yaml"), text, 0o644))
		catalog, err := functions.Read(os.DirFS(dir))
		require.NoError(t, err)
		f, err := catalog.Lookup("p")
		require.NoError(t, err)
		return f.Dependencies
	}
	require.Empty(t, read(functions.Adoption{Dependencies: []functions.Dependency{}}))
	require.Equal(t, []functions.Dependency{{Name: "my-db", Argv: []string{"mongod"}, Port: 27017, Env: "MY_DB_ADDR"}, {Name: "c", Function: "null", Port: 2, Env: "C"}},
		read(functions.Adoption{Dependencies: []functions.Dependency{{Name: "my-db", Argv: []string{"mongod"}, Port: 27017}, {Name: "c", Function: "null", Port: 2, Env: "C"}}}))
}

func TestADefinitionBringsItsMessageTypesAlong(t *testing.T) {
	t.Parallel()
	own := t.TempDir()
	require.NoError(t, os.CopyFS(own, greeter(t, hello)))
	d, err := functions.ReadDefinition(filepath.Join(own, "hello/function.yaml"))
	require.NoError(t, err)
	f, err := d.Function()
	require.NoError(t, err)
	text, err := d.Adopt(functions.Adoption{Name: f.Name, Port: 9, Command: []string{"/h"}})
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "function.yaml"), text, 0o644))
	require.NoError(t, d.Copy(dir))
	_, err = functions.Read(os.DirFS(dir))
	require.NoError(t, err)
}

func TestDefinitionsThatAreWrong(t *testing.T) {
	t.Parallel()
	_, err := functions.Defined("fibonaci-go")
	require.ErrorIs(t, err, functions.ErrUnknownFunction)
	require.ErrorContains(t, err, "fibonacci-go")
	_, err = functions.ReadDefinition(filepath.Join(t.TempDir(), "function.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(t.TempDir(), "function.yaml")
	require.NoError(t, os.WriteFile(file, []byte("name: x\nprot: 5\n"), 0o644))
	_, err = functions.ReadDefinition(file)
	require.ErrorContains(t, err, "function.yaml:2:1: unknown key \"prot\"")
	require.ErrorContains(t, err, `key "port" is missing`)
	d, err := functions.Defined("null")
	require.NoError(t, err)
	_, err = d.Adopt(functions.Adoption{Name: "Not A Name", Port: 70000, Command: nil})
	require.ErrorContains(t, err, "Not A Name")
	require.ErrorContains(t, err, "70000")
}
