package oci_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
	"microcosm/images/guest/oci"
)

func TestParseFunction(t *testing.T) {
	t.Parallel()
	f, err := oci.ParseFunction([]byte(`{"layers":["node"],"args":["/f","--port","{port}"],"env":["A=b"],"dir":"/f","port":50051,"memoryMiB":64,"uid":5}`))
	require.NoError(t, err)
	require.Equal(t, oci.Function{Layers: []string{"node"}, Args: []string{"/f", "--port", "{port}"}, Env: []string{"A=b"}, Dir: "/f", Port: 50051, MemoryMiB: 64, UID: 5}, f)
	require.True(t, f.ChoosesPort())
	f, err = oci.ParseFunction([]byte(`{"args":["/f"],"port":1}`))
	require.NoError(t, err)
	require.False(t, f.ChoosesPort(), "an imported image")

	_, err = oci.ParseFunction([]byte(`{"layers":["../x","a:b"],"args":[],"env":["=b"],"dir":"f","port":70000,"memoryMiB":-1,"gid":-1}`))
	for _, want := range []string{"layers[0]", "layers[1]", "args:", "env[0]", "dir:", "port:", "memoryMiB:", "gid:"} {
		require.ErrorContains(t, err, want)
	}
	_, err = oci.ParseFunction([]byte(`{"arg":["/f"],"port":1}`))
	require.ErrorContains(t, err, `unknown field "arg"`)
}

func FuzzParseFunction(f *testing.F) {
	f.Add([]byte(`{"layers":["node"],"args":["/f","--port","{port}"],"env":["A=b"],"port":50051}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := oci.ParseFunction(text)
		if err != nil {
			return
		}
		config, err := oci.Config(oci.Container{ID: "x", Function: parsed, Port: 1})
		require.NoError(t, err)
		require.True(t, json.Valid(config))
	})
}

func TestLower(t *testing.T) {
	t.Parallel()
	index := map[string][]string{"skeleton": {}, "libc": {"skeleton"}, "node": {"libc", "skeleton"}, "modules": {"node", "libc", "skeleton"}, "redis": {"libc", "skeleton"}}
	for name, c := range map[string]struct {
		own    string
		layers []string
		want   string
		err    string
	}{
		"a function on its runtime": {"/functions/f/root", []string{"node"}, "/functions/f/root:/layers/node:/layers/libc:/layers/skeleton", ""},
		"each layer once":           {"/r", []string{"modules", "node"}, "/r:/layers/modules:/layers/node:/layers/libc:/layers/skeleton", ""},
		"two that stand on one":     {"", []string{"redis", "node"}, "/layers/redis:/layers/node:/layers/libc:/layers/skeleton", ""},
		"what is below comes first": {"", []string{"libc", "redis", "node"}, "/layers/redis:/layers/node:/layers/libc:/layers/skeleton", ""},
		"a whole root":              {"/r", nil, "/r:/mnt", ""},
		"a database":                {"", []string{"libc"}, "/layers/libc:/layers/skeleton", ""},
		"unknown layers":            {"/r", []string{"jvm", "ruby"}, "", "layer jvm is not in the image: stage it\nlayer ruby"},
		"nothing":                   {"", nil, "", "neither a root nor a layer"},
		"a path that mount splits":  {"/a:b", []string{"libc"}, "", "holds one of"},
	} {
		got, err := oci.Lower(index, c.own, c.layers)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestEveryCatalogFunctionHasAContainer(t *testing.T) {
	t.Parallel()
	catalog, err := functions.Load()
	require.NoError(t, err)
	for _, name := range catalog.Names() {
		f, err := catalog.Lookup(name)
		require.NoError(t, err)
		d, err := oci.Describe(f)
		require.NoError(t, err, name)
		require.True(t, d.ChoosesPort(), name)
		text, err := json.Marshal(d)
		require.NoError(t, err)
		back, err := oci.ParseFunction(text)
		require.NoError(t, err)
		require.Equal(t, d, back, name)
		for i := range f.Dependencies {
			if dep := &f.Dependencies[i]; dep.Function == "" {
				base, err := oci.DescribeDatabase(dep)
				require.NoError(t, err, "%s: %s", name, dep.Name)
				require.True(t, base.ChoosesPort(), "%s: %s: %v", name, dep.Name, base.Args)
			}
		}
	}
}

// What the sandbox promises, read from the configuration as crun does.
func TestConfig(t *testing.T) {
	t.Parallel()
	text, err := oci.Config(oci.Container{
		ID:       "aes-1",
		Function: oci.Function{Args: []string{"/f", "--port", "{port}"}, Env: []string{"GRPC_PORT={port}"}, Port: 50051, MemoryMiB: 32, UID: 7},
		Env:      []string{"DB_ADDR=127.0.0.1:6379"}, Port: 20001, Core: 1, Rootfs: "/run/c/aes-1/root", Cgroup: "/functions/aes-1",
	})
	require.NoError(t, err)
	var got struct {
		Hostname string
		Process  struct {
			Args, Env       []string
			Cwd             string
			NoNewPrivileges bool
			Capabilities    map[string][]string
			User            map[string]int
		}
		Root  map[string]any
		Linux struct {
			Namespaces  []map[string]string
			CgroupsPath string
			Resources   map[string]map[string]any
		}
		Mounts []struct {
			Destination, Type string
			Options           []string
		}
	}
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, "aes-1", got.Hostname)
	require.Equal(t, []string{"/f", "--port", "20001"}, got.Process.Args)
	require.Contains(t, got.Process.Env, "GRPC_PORT=20001")
	require.Contains(t, got.Process.Env, "DB_ADDR=127.0.0.1:6379")
	require.Equal(t, "/", got.Process.Cwd)
	require.True(t, got.Process.NoNewPrivileges)
	require.Equal(t, map[string]int{"uid": 7, "gid": 0}, got.Process.User)
	require.Len(t, got.Process.Capabilities, 5)
	for set, list := range got.Process.Capabilities {
		require.NotNil(t, list, set)
		require.Empty(t, list, set)
	}
	require.Equal(t, map[string]any{"path": "/run/c/aes-1/root", "readonly": true}, got.Root)
	require.ElementsMatch(t, []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}}, got.Linux.Namespaces)
	require.Equal(t, "/functions/aes-1", got.Linux.CgroupsPath)
	require.Equal(t, "1", got.Linux.Resources["cpu"]["cpus"])
	require.EqualValues(t, 32<<20, got.Linux.Resources["memory"]["limit"])
	for _, m := range got.Mounts {
		require.Contains(t, []string{"proc", "tmpfs", "sysfs"}, m.Type, "nothing of the disk is mounted into a container")
	}
}
