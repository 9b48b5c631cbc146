package oci_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/functions"
	"microcosm/images/guest/oci"
)

// TestTheWholeConfiguration is config.json as crun gets it: what is not here, a
// container does not have.
func TestTheWholeConfiguration(t *testing.T) {
	t.Parallel()
	text, err := oci.Config(oci.Container{
		ID:       "geo-1",
		Function: oci.Function{Args: []string{"/geo", "--port={port}"}, Dir: "/app", Port: 8083, MemoryMiB: 64, UID: 5, GID: 6, Writable: []string{"/data"}},
		Env:      []string{"DB_ADDR=127.0.0.1:20001"}, Port: 20002, Core: 1, Rootfs: "/run/r", Cgroup: "/functions/geo-1",
	})
	require.NoError(t, err)
	require.JSONEq(t, `{
	"ociVersion": "1.0.2",
	"hostname": "geo-1",
	"process": {
		"user": {"uid": 5, "gid": 6},
		"args": ["/geo", "--port=20002"],
		"env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DB_ADDR=127.0.0.1:20001"],
		"cwd": "/app",
		"capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
		"noNewPrivileges": true
	},
	"root": {"path": "/run/r", "readonly": true},
	"mounts": [
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
		{"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
		{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
		{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
		{"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]}
	],
	"linux": {
		"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}],
		"cgroupsPath": "/functions/geo-1",
		"resources": {"cpu": {"cpus": "1", "mems": "0"}, "memory": {"limit": 67108864}},
		"maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
		"readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
	}
}`, string(text))
}

// TestANetworkThatIsSharedStandsInTheConfiguration: beside what every container has.
func TestANetworkThatIsSharedStandsInTheConfiguration(t *testing.T) {
	t.Parallel()
	c := oci.Container{ID: "x", Function: oci.Function{Args: []string{"/f"}, Port: 1}, Port: 1, Rootfs: "/r", Cgroup: "/g/x"}
	apart, err := oci.Config(c)
	require.NoError(t, err)
	c.Network = "/proc/1/fd/7"
	shared, err := oci.Config(c)
	require.NoError(t, err)
	const last = `{"type":"uts"}`
	require.Equal(t, strings.Replace(string(apart), last, last+`,{"type":"network","path":"/proc/1/fd/7"}`, 1), string(shared))
}

func drawFunction(t *rapid.T) oci.Function {
	word := rapid.StringMatching(`[a-zA-Z0-9/_. "\\{}=:-]{1,12}`)
	f := oci.Function{
		Args: append([]string{"/f"}, rapid.SliceOfN(word, 0, 3).Draw(t, "args")...), Port: rapid.IntRange(1, 65535).Draw(t, "port"),
		MemoryMiB: rapid.IntRange(0, 1<<20).Draw(t, "memory"), UID: rapid.IntRange(0, 70000).Draw(t, "uid"), GID: rapid.IntRange(0, 70000).Draw(t, "gid"),
		Dir:    rapid.SampledFrom([]string{"", "/", "/a b"}).Draw(t, "dir"),
		Layers: rapid.SliceOfN(rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,5}`), 0, 3).Draw(t, "layers"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "env") {
		f.Env = append(f.Env, rapid.StringMatching(`[A-Z]{1,4}`).Draw(t, "name")+"="+word.Draw(t, "value"))
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "writable") {
		f.Writable = append(f.Writable, fmt.Sprintf("/w%d", n))
	}
	return f
}

// TestNoFunctionIsFreerThanAnother: whatever a function.json says, its container is as
// confined as that of any other.
func TestNoFunctionIsFreerThanAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFunction(t)
		written, err := json.Marshal(f)
		require.NoError(t, err)
		read, err := oci.ParseFunction(written)
		require.NoError(t, err, "%s", written)
		core := rapid.IntRange(0, 1).Draw(t, "core")
		text, err := oci.Config(oci.Container{ID: "x", Function: read, Port: 20000, Core: core, Rootfs: "/r", Cgroup: "/g/x"})
		require.NoError(t, err)
		plain, err := oci.Config(oci.Container{ID: "x", Function: oci.Function{Args: []string{"/f"}, Port: 1}, Core: core, Rootfs: "/r", Cgroup: "/g/x"})
		require.NoError(t, err)
		var got, want map[string]any
		require.NoError(t, json.Unmarshal(text, &got))
		require.NoError(t, json.Unmarshal(plain, &want))

		// What may differ: who runs what where, and directories in memory.
		process, usual := got["process"].(map[string]any), want["process"].(map[string]any)
		for _, may := range []string{"args", "env", "cwd", "user"} {
			require.Contains(t, process, may)
			delete(process, may)
			delete(usual, may)
		}
		mounts := got["mounts"].([]any)
		extra := mounts[len(want["mounts"].([]any)):]
		require.Len(t, extra, len(f.Writable))
		for i, m := range extra {
			require.Equal(t, map[string]any{"destination": f.Writable[i], "type": "tmpfs", "source": "tmpfs", "options": []any{"nosuid", "nodev", "mode=1777"}}, m)
		}
		got["mounts"] = mounts[:len(mounts)-len(extra)]
		resources := got["linux"].(map[string]any)["resources"].(map[string]any)
		require.Equal(t, f.MemoryMiB > 0, resources["memory"] != nil)
		delete(resources, "memory")
		require.Equal(t, want, got)
	})
}

func TestThePortStandsWhereverItIsAskedFor(t *testing.T) {
	t.Parallel()
	f := oci.Function{Args: []string{"/f", "-p", "{port}", "--url=h:{port}/{port}", "{ports}"}, Env: []string{"P={port}", "PATH=/own"}, Port: 1}
	require.True(t, f.ChoosesPort())
	text, err := oci.Config(oci.Container{Function: f, Env: []string{"Q=x:{port}"}, Port: 20007})
	require.NoError(t, err)
	var got struct{ Process struct{ Args, Env []string } }
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, []string{"/f", "-p", "20007", "--url=h:20007/20007", "{ports}"}, got.Process.Args)
	require.Equal(t, []string{"P=20007", "PATH=/own", "Q=x:20007"}, got.Process.Env, "an own PATH is the only one")
	require.Equal(t, "{port}", f.Args[2], "the function is left as it is")
	require.True(t, (&oci.Function{Args: []string{"/f"}, Env: []string{"P={port}"}}).ChoosesPort(), "a variable says it, too")
}

func TestEveryMistakeOfAFunctionIsALine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                      "args: want a program\nport: want 1 to 65535, got 0",
		`{"args":[""],"port":1}`:  "args: want a program",
		`{"args":["f"],"port":0}`: "port: want 1 to 65535, got 0",
		`{"args":["f","\u0000"],"env":["A=\u0000"],"dir":"/\u0000","port":1}`: `"\x00" holds a zero byte` + "\n" + `"A=\x00" holds a zero byte` + "\n" + `"/\x00" holds a zero byte`,
		`{"args":["f"],"port":1,"env":["A","=b","A="]}`:                       `env[0]: want NAME=value, got "A"` + "\n" + `env[1]: want NAME=value, got "=b"`,
		`{"args":["f"],"port":1,"memoryMiB":1048577}`:                         "memoryMiB: want 0 to 1048576, got 1048577",
		`{"args":["f"],"port":1,"uid":-1}`:                                    "uid, gid: none may be negative",
		`{"args":["f"],"port":1,"layers":["a","A","","a/b","a,b",".x"]}`: `layers[1]: "A" is no name of a layer` + "\n" + `layers[2]: "" is no name of a layer` + "\n" +
			`layers[3]: "a/b" is no name of a layer` + "\n" + `layers[4]: "a,b" is no name of a layer` + "\n" + `layers[5]: ".x" is no name of a layer`,
		`{"args":["f"],"port":1,"writable":["/ok","rel","/a/../b","/","/a/"]}`: `writable[1]: "rel" is no absolute path of a directory` + "\n" +
			`writable[2]: "/a/../b" is no absolute path of a directory` + "\n" + `writable[3]: "/" is no absolute path of a directory` + "\n" + `writable[4]: "/a/" is no absolute path of a directory`,
		`{"args":"f","port":"1"}`: `args: want a list, got "f"` + "\n" + `port: want a whole number, got "1"`,
	} {
		_, err := oci.ParseFunction([]byte(text))
		require.EqualError(t, err, "read function.json: "+want, text)
	}
}

// TestLayersStackAsTheyStand draws forests of layers: whatever is asked for, each layer
// is there once, above all that it stands on, and the function's own root above all.
func TestLayersStackAsTheyStand(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		below := map[string]string{}
		index := map[string][]string{}
		var names []string
		for n := range rapid.IntRange(1, 8).Draw(t, "layers") {
			name := fmt.Sprintf("l%d", n)
			index[name] = []string{}
			if n > 0 && rapid.Bool().Draw(t, "stands") {
				below[name] = rapid.SampledFrom(names).Draw(t, "on")
				for at := below[name]; at != ""; at = below[at] {
					index[name] = append(index[name], at)
				}
			}
			names = append(names, name)
		}
		asked := rapid.SliceOfN(rapid.SampledFrom(names), 1, 5).Draw(t, "asked")
		own := rapid.SampledFrom([]string{"", "/functions/f/root"}).Draw(t, "own")
		lower, err := oci.Lower(index, own, asked)
		require.NoError(t, err)
		dirs := strings.Split(lower, ":")
		require.GreaterOrEqual(t, len(dirs), 2, "overlayfs takes no single directory")
		if own != "" {
			require.Equal(t, own, dirs[0])
			dirs = dirs[1:]
		}
		dirs = slices.DeleteFunc(dirs, func(d string) bool { return d == "/mnt" })
		place := map[string]int{}
		for i, dir := range dirs {
			name := path.Base(dir)
			require.Equal(t, path.Join("/layers", name), dir)
			_, twice := place[name]
			require.False(t, twice, "%s stands there twice", name)
			place[name] = i
		}
		want := map[string]bool{}
		for _, name := range asked {
			for at := name; at != ""; at = below[at] {
				want[at] = true
			}
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(place)))
		for name, under := range below {
			if want[name] {
				require.Less(t, place[name], place[under], "%s stands on %s", name, under)
			}
		}
	})
}

func TestWhatIsDescribed(t *testing.T) {
	t.Parallel()
	all, err := functions.Load()
	require.NoError(t, err)
	for name, want := range map[string]oci.Function{
		"fibonacci-go": {Layers: []string{"more", "skeleton"}, Args: []string{"/function/fibonacci-go", "--addr", "127.0.0.1", "--port", "{port}"}, Port: 50051},
		"aes-python":   {Layers: []string{"more", "python"}, Args: []string{"/usr/bin/python3", "/function/server.py", "--addr", "127.0.0.1", "--port", "{port}"}, Port: 50051},
		"auth-nodejs":  {Layers: []string{"more", "node"}, Args: []string{"/usr/bin/node", "/function/server.js", "--addr", "127.0.0.1", "--port", "{port}"}, Port: 50051},
	} {
		f, err := all.Lookup(name)
		require.NoError(t, err)
		got, err := oci.Describe(f, "more")
		require.NoError(t, err)
		want.Env, want.MemoryMiB = []string{"GRPC_PORT={port}"}, f.MemoryMiB
		require.Equal(t, want, got)
	}
	_, err = oci.Describe(&functions.Function{Name: "f"})
	require.EqualError(t, err, "describe f: no layer holds the runtime invalid")

	redis := &functions.Dependency{Name: "db", Argv: []string{"/usr/bin/redis-server", "--bind", "{host}", "--port", "{port}", "--maxmemory", "63790"}, Port: 6379, Packages: functions.Packages{Debian: []string{"redis-server"}}}
	got, err := oci.DescribeDatabase(redis)
	require.NoError(t, err)
	require.Equal(t, oci.Function{
		Layers: []string{"redis"}, Args: []string{"/usr/bin/redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--maxmemory", "63790"}, Port: 6379, UID: 65534, GID: 65534,
	}, got, "the port is replaced, and nothing that only looks like it")
	redis.Packages.Debian = []string{"mongodb", "mongo-tools"}
	_, err = oci.DescribeDatabase(redis)
	require.EqualError(t, err, "describe db: no layer holds mongodb, mongo-tools")
}
