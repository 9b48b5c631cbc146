package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const xeon = `processor	: 0
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) Gold 6448Y CPU @ 2.10GHz
flags		: fpu vme

processor	: 1
model name	: Intel(R) Xeon(R) Gold 6448Y CPU @ 2.10GHz
`

const neoverse = `processor	: 0
BogoMIPS	: 50.00
CPU implementer	: 0x41
CPU architecture: 8
CPU part	: 0xd0c
`

func TestPlatformName(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, cpuinfo, want string }{
		{"Intel", xeon, "intel-xeon-gold-6448y"},
		{"AMD", "model name\t: AMD EPYC 7763 64-Core Processor\n", "amd-epyc-7763-64-core-processor"},
		{"Arm", neoverse, "arm-0x41-0xd0c"},
		{"noise only", "model name : (R) @ 2 GHz\n", "unknown"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, slug(cpuModel([]byte(test.cpuinfo))))
		})
	}
	require.Contains(t, slug(cpuModel(nil)), "unknown-")
}

// tree writes files below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

func twoCores() map[string]string {
	files := map[string]string{
		"proc/cpuinfo":                   xeon,
		"proc/sys/kernel/random/boot_id": "0b00-7\n",
		"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "1\n",
		"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor":      "powersave\n",
	}
	for name, cache := range map[string][3]string{
		"index0": {"1", "Data", "48K"}, "index1": {"1", "Instruction", "32K"}, "index2": {"2", "Unified", "2048K"}, "index3": {"3", "Unified", "20M"},
	} {
		dir := "sys/devices/system/cpu/cpu1/cache/" + name
		files[dir+"/level"], files[dir+"/type"], files[dir+"/size"] = cache[0]+"\n", cache[1]+"\n", cache[2]+"\n"
	}
	return files
}

func TestInspect(t *testing.T) {
	t.Parallel()
	m, err := inspect(tree(t, twoCores()), []int{0, 1})
	require.NoError(t, err)
	require.Equal(t, "host-intel-xeon-gold-6448y", m.platform.Name)
	require.Equal(t, map[string]string{
		"cpu.model": "Intel(R) Xeon(R) Gold 6448Y CPU @ 2.10GHz", "cpu.cores": "2", "cpu.governor": "powersave",
		"cache.l1d": "49152", "cache.l1i": "32768", "cache.l2": "2097152", "cache.l3": "20971520",
	}, m.platform.Parameters)
	require.Equal(t, "0b00-7", m.boot)
	require.Equal(t, 1, m.core)
	require.Equal(t, []int{0}, m.clients)
	require.False(t, m.shared())
	require.Equal(t, int64(40<<20), m.flushBytes(), "twice the last level")
}

func TestInspectALargeCacheAndNone(t *testing.T) {
	t.Parallel()
	files := twoCores()
	files["sys/devices/system/cpu/cpu1/cache/index3/size"] = "266240K\n"
	m, err := inspect(tree(t, files), []int{0, 1})
	require.NoError(t, err)
	require.Equal(t, int64(64<<20), m.flushBytes(), "no more than 64 MiB")

	for name := range files {
		if strings.Contains(name, "/cache/") {
			delete(files, name)
		}
	}
	m, err = inspect(tree(t, files), []int{0, 1})
	require.NoError(t, err)
	require.Equal(t, int64(64<<20), m.flushBytes(), "an unknown cache may be large")
}

func TestAnyChangeOfTheMachineIsAnotherPlatformDigest(t *testing.T) {
	t.Parallel()
	base, err := inspect(tree(t, twoCores()), []int{0, 1})
	require.NoError(t, err)
	seen := map[string]string{base.platform.Digest: "base"}
	changes := map[string]func(map[string]string) []int{
		"model": func(f map[string]string) []int {
			f["proc/cpuinfo"] = strings.ReplaceAll(xeon, "6448Y", "6448H")
			return []int{0, 1}
		},
		"core count": func(f map[string]string) []int {
			f["proc/cpuinfo"] = xeon + "\nprocessor\t: 2\n"
			return []int{0, 1}
		},
		"cache": func(f map[string]string) []int {
			f["sys/devices/system/cpu/cpu1/cache/index0/size"] = "32K"
			return []int{0, 1}
		},
		"governor": func(f map[string]string) []int {
			f["sys/devices/system/cpu/cpu1/cpufreq/scaling_governor"] = "performance"
			return []int{0, 1}
		},
		"one core for all": func(map[string]string) []int { return []int{1} },
	}
	for name, change := range changes {
		files := twoCores()
		cores := change(files)
		m, err := inspect(tree(t, files), cores)
		require.NoError(t, err)
		require.Empty(t, seen[m.platform.Digest], "%s", name)
		seen[m.platform.Digest] = name
	}
	again, err := inspect(tree(t, twoCores()), []int{0, 1})
	require.NoError(t, err)
	require.Equal(t, base.platform.Digest, again.platform.Digest)
}

func TestInspectWithoutProc(t *testing.T) {
	t.Parallel()
	_, err := inspect(t.TempDir(), []int{0})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestChooseCores(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		cores    []int
		siblings []int
		core     int
		clients  []int
	}{
		{"one core only", []int{3}, []int{3}, 3, []int{3}},
		{"two cores", []int{0, 1}, []int{1}, 1, []int{0}},
		{"two threads of one core", []int{0, 1}, []int{0, 1}, 1, []int{0}},
		{"four threads of two cores", []int{0, 1, 2, 3}, []int{1, 3}, 3, []int{0, 2}},
		{"siblings unknown", []int{2, 5, 7}, nil, 7, []int{2, 5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			core, clients := chooseCores(test.cores, test.siblings)
			require.Equal(t, test.core, core)
			require.Equal(t, test.clients, clients)
		})
	}
}

func TestParseCPUList(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{0, 1, 2, 3, 8}, parseCPUList("0-3,8"))
	for _, text := range []string{"", "a", "1-", "3-1", "-1", "0-99999999", "1,,2"} {
		require.Nil(t, parseCPUList(text), "%q", text)
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"48K": 48 << 10, "20M": 20 << 20, "1G": 1 << 30, "512": 512} {
		got, ok := parseSize(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "K", "-1K", "0", "1.5M", "99999999999999G"} {
		_, ok := parseSize(text)
		require.False(t, ok, text)
	}
}

func FuzzKernelText(f *testing.F) {
	f.Add("48K", "0-3,8", xeon)
	f.Add("20M", "1", neoverse)
	f.Fuzz(func(t *testing.T, size, list, cpuinfo string) {
		if n, ok := parseSize(size); ok {
			require.Positive(t, n)
		}
		for _, core := range parseCPUList(list) {
			require.GreaterOrEqual(t, core, 0)
		}
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, slug(cpuModel([]byte(cpuinfo))))
	})
}
