package images_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images"
	"microcosm/images/isa"
	"microcosm/images/rootfs"
)

func TestCleanRemovesTheProductsAndNothingElse(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "x86_64")
	require.NoError(t, images.Clean(isa.X86, out), "what is not there is clean")
	require.NoError(t, os.MkdirAll(out, 0o755))
	for _, name := range []string{"disk.img", "manifest.json", "vmlinux", "bzImage", "kernel.config", "notes.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(out, name), nil, 0o644))
	}
	require.NoError(t, images.Clean(isa.X86, out))
	left, err := filepath.Glob(filepath.Join(out, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(out, "notes.txt")}, left)
	require.NoError(t, os.Remove(left[0]))
	require.NoError(t, images.Clean(isa.X86, out))
	require.NoDirExists(t, out)
}

func TestVerifyWithoutAGoodManifest(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	_, err := images.Verify(out)
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, text := range []string{"", "{", `{"isa":"riscv64"}`} {
		require.NoError(t, os.WriteFile(filepath.Join(out, "manifest.json"), []byte(text), 0o644))
		_, err := images.Verify(out)
		require.ErrorContains(t, err, "build the image again", "manifest %q", text)
	}
	require.NoError(t, os.WriteFile(filepath.Join(out, "manifest.json"),
		[]byte(`{"isa":"arm64","kernel":{"elf":{"name":"vmlinux"},"image":{"name":"Image"},"config":{"name":"kernel.config"}},"disk":{"name":"disk.img"}}`), 0o644))
	_, err = images.Verify(out)
	for _, name := range []string{"disk.img", "vmlinux", "Image", "kernel.config"} {
		require.ErrorContains(t, err, name)
	}
}

func staged(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

func TestStagedLayersStandOnThoseOfDebian(t *testing.T) {
	t.Parallel()
	debian := []rootfs.Layer{{Name: "guest"}, {Name: "libc", On: []string{"skeleton"}}, {Name: "node", On: []string{"libc", "skeleton"}}, {Name: "skeleton"}}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  map[string][]string
		err   string
	}{
		{"on a layer of packages", map[string]string{"layers/js/x": "", "layers/js.on": "node\n"}, map[string][]string{"js": {"node", "libc", "skeleton"}}, ""},
		{"on another staged layer", map[string]string{"layers/a1/x": "", "layers/a1.on": "b1", "layers/b1/x": "", "layers/b1.on": "libc"},
			map[string][]string{"a1": {"b1", "libc", "skeleton"}, "b1": {"libc", "skeleton"}}, ""},
		{"on mount points only: a whole root, as imported images have", map[string]string{"layers/whole/x": ""}, map[string][]string{"whole": {"skeleton"}}, ""},
		{"on a layer that is not there", map[string]string{"layers/js/x": "", "layers/js.on": "deno"}, nil, `layer js stands on "deno", which is no layer`},
		{"on the guest's root, which is no layer of containers", map[string]string{"layers/js/x": "", "layers/js.on": "guest"}, nil, "which is no layer"},
		{"on itself", map[string]string{"layers/js/x": "", "layers/js.on": "js"}, nil, "layer js stands on itself"},
		{"in a circle", map[string]string{"layers/a1/x": "", "layers/a1.on": "b1", "layers/b1/x": "", "layers/b1.on": "a1"}, nil, "stands on itself"},
		{"of a name that is taken", map[string]string{"layers/node/x": ""}, nil, "layer node is staged, but there is a layer of that name"},
		{"of a name that mount would take apart", map[string]string{"layers/a:b/x": "", "functions/Foo Bar/x": ""}, nil, `"Foo Bar" is no name`},
	} {
		layers, _, err := images.Staged([]string{staged(t, c.files)}, debian)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		got := map[string][]string{}
		for i, l := range layers {
			if l.Dir != "" {
				got[l.Name] = l.On
				require.Contains(t, l.Digest, "sha256:")
			}
			require.True(t, i == 0 || layers[i-1].Name < l.Name, "sorted by name")
		}
		require.Equal(t, c.want, got, c.name)
	}
}

func TestStagedFunctions(t *testing.T) {
	t.Parallel()
	_, functions, err := images.Staged([]string{staged(t, map[string]string{"functions/b/x": "", "functions/README": ""}), staged(t, map[string]string{"functions/a-1/root/bin/y": "z"})}, nil)
	require.NoError(t, err)
	require.Len(t, functions, 2, "files beside the functions are none")
	require.Equal(t, "a-1", functions[0].Name)
	require.Equal(t, "b", functions[1].Name)

	_, functions, err = images.Staged(nil, nil)
	require.NoError(t, err)
	require.Empty(t, functions)
	_, _, err = images.Staged([]string{filepath.Join(t.TempDir(), "missing")}, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	twice := staged(t, map[string]string{"functions/b/x": ""})
	_, _, err = images.Staged([]string{twice, twice}, nil)
	require.ErrorContains(t, err, "function b is staged twice: rename one")
}

func TestABuildThatCannotBeginLeavesNothing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	out := filepath.Join(t.TempDir(), "out")
	_, err := images.Build(context.Background(), images.Options{ISA: isa.X86, Out: out})
	require.ErrorContains(t, err, "go is missing")
	require.NoDirExists(t, out)
}
