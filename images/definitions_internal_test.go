package images

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
	"microcosm/images/rootfs"
	"microcosm/images/tree"
)

const hello = `name: hello
runtime: native
port: 50051
service: helloworld.Greeter
method: SayHello
memoryMiB: 64
command: [/hello]
inputs: {default: {request: {name: Ann}}}
reply: {fields: {message: {equals: Hello Ann}}}
`

// brought is a staged function with these files.
func brought(t *testing.T, name string, files map[string]string) Function {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "root"), 0o755))
	for file, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
	return Function{Part{Name: name}, dir}
}

// TestWhoeverReadsTheManifestKnowsWhatIsAskedOfAFunction that is not the product's.
func TestWhoeverReadsTheManifestKnowsWhatIsAskedOfAFunction(t *testing.T) {
	t.Parallel()
	own := brought(t, "hello", map[string]string{"function.yaml": hello, "function.json": "{}", "root/big": "program"})
	list, err := defined([]Function{brought(t, "aes-go", map[string]string{"function.json": "{}"}), own})
	require.NoError(t, err)
	require.Equal(t, []Function{own}, list)

	out := t.TempDir()
	plain, err := Manifest{}.Catalog(out)
	require.NoError(t, err)
	_, err = plain.Lookup("hello")
	require.ErrorIs(t, err, functions.ErrUnknownFunction)

	require.NoError(t, writeDefinitions(list, filepath.Join(out, definitionsName)))
	m := Manifest{Definitions: Part{Name: definitionsName}}
	catalog, err := m.Catalog(out)
	require.NoError(t, err)
	f, err := catalog.Lookup("hello")
	require.NoError(t, err)
	require.Equal(t, "/helloworld.Greeter/SayHello", mustCall(t, f).Method)
	_, err = catalog.Lookup("aes-go")
	require.NoError(t, err)

	again := filepath.Join(t.TempDir(), "again")
	require.NoError(t, writeDefinitions(list, again))
	first, err := tree.File(filepath.Join(out, definitionsName))
	require.NoError(t, err)
	second, err := tree.File(again)
	require.NoError(t, err)
	require.Equal(t, first, second)

	require.NoError(t, os.WriteFile(filepath.Join(out, definitionsName), []byte("PK"), 0o644))
	_, err = m.Catalog(out)
	require.ErrorContains(t, err, "definitions.zip: zip: not a valid zip file; build the image again")
}

func mustCall(t *testing.T, f *functions.Function) functions.Call {
	t.Helper()
	call, err := f.Call(functions.DefaultClass, 1, 0)
	require.NoError(t, err)
	return call
}

// TestEveryDefinitionThatIsWrongIsNamed before a disk is made.
func TestEveryDefinitionThatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	taken := brought(t, "aes-go", map[string]string{"function.yaml": "name: aes-go" + hello[len("name: hello"):]})
	other := brought(t, "other", map[string]string{"function.yaml": hello})
	cut := brought(t, "cut", map[string]string{"function.yaml": "name: cut\nport: x\n"})
	_, err := defined([]Function{taken, other, cut})
	require.ErrorContains(t, err, taken.Dir+`/function.yaml: function "aes-go" exists in both catalogs: rename one`)
	require.ErrorContains(t, err, other.Dir+`/function.yaml: unknown function "other"`)
	require.ErrorContains(t, err, cut.Dir+"/function.yaml: ")
}

// TestTheLayersOfAnImageArePartOfItsFunction, and no other layers are: a byte that
// differs in one of them is another function.
func TestTheLayersOfAnImageArePartOfItsFunction(t *testing.T) {
	t.Parallel()
	layers := []rootfs.Layer{
		{Name: "oci-a", Digest: "1", On: []string{"skeleton"}}, {Name: "oci-b", Digest: "2", On: []string{"oci-a", "skeleton"}},
		{Name: "oci-c", Digest: "3", On: []string{"skeleton"}}, {Name: "python", Digest: "4", On: []string{"skeleton"}}, {Name: "skeleton", Digest: "5"},
	}
	describe := func(top string) string { return `{"layers":["` + top + `"],"args":["/f"],"port":1}` }
	f := brought(t, "f", map[string]string{"function.json": describe("oci-b")})
	f.Digest = "sha256:f"
	digest := func(f Function) string {
		d, err := wholeDigest(f, layers)
		require.NoError(t, err)
		return d
	}
	before := digest(f)
	require.NotEqual(t, f.Digest, before)
	for n, part := range []bool{true, true, false, false, false} {
		was := layers[n].Digest
		layers[n].Digest = "other"
		require.Equal(t, part, digest(f) != before, layers[n].Name)
		layers[n].Digest = was
	}
	require.NoError(t, os.Mkdir(filepath.Join(f.Dir, "dependencies"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(f.Dir, "dependencies", "db.json"), []byte(describe("oci-c")), 0o644))
	require.NotEqual(t, before, digest(f), "nor are those of what it needs somebody else's")

	plain := brought(t, "plain", map[string]string{"function.json": describe("python")})
	plain.Digest = "sha256:p"
	require.Equal(t, "sha256:p", digest(plain), "as ever")
	_, err := wholeDigest(brought(t, "f", map[string]string{"function.json": describe("oci-z")}), layers)
	require.ErrorContains(t, err, "function.json: layer oci-z is not staged: import the function again")
	_, err = wholeDigest(brought(t, "f", map[string]string{"function.json": "{}"}), layers)
	require.ErrorContains(t, err, "function.json: read function.json: ")
}
