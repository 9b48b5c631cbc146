package rootfs

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// The tests of this file are internal: lists and apt's answers have no exported
// form.

func TestParseList(t *testing.T) {
	t.Parallel()
	l, err := parseList("python", strings.NewReader(`
# why
on libc
package python3.11-minimal
package libssl3
remove usr/lib/*/gconv
directory var/lib/x
file etc/passwd "root:x:0\n"
compile-python
`))
	require.NoError(t, err)
	require.Equal(t, list{
		name: "python", on: "libc", packages: []string{"python3.11-minimal", "libssl3"}, remove: []string{"usr/lib/*/gconv"},
		directories: []string{"var/lib/x"}, files: []file{{"etc/passwd", "root:x:0\n"}}, compilePython: true,
	}, l)
}

func TestEveryMistakeOfAListIsReportedWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := parseList("bad", strings.NewReader("on a\non b\npackage Upper\npackage ok-1\npackage ok-1\nremove ../etc\nremove [\nremove /abs\ndirectory .\nfile x y\nfile ../x \"y\"\ninstall z\n"))
	for _, line := range []string{"line 2:", "line 3:", "line 5:", "line 6:", "line 7:", "line 8:", "line 9:", "line 10:", "line 11:", `line 12: unknown word "install"`} {
		require.ErrorContains(t, err, "layer bad: "+line)
	}
	require.NotContains(t, err.Error(), "line 4:")
}

func TestLayersMustStandOnOneAnotherProperly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"on nothing that is there", map[string]string{"a1": "on b1"}, `layer a1 stands on "b1", which is no layer`},
		{"on itself by a detour", map[string]string{"a1": "on b1", "b1": "on a2", "a2": "on b1"}, "stands on itself"},
		{"a package twice in one stack", map[string]string{"a1": "on b1\npackage libc6", "b1": "package libc6"}, "layer a1 has package libc6, which layer b1 below it has too"},
	} {
		fsys := fstest.MapFS{}
		for name, text := range c.files {
			fsys[name+".list"] = &fstest.MapFile{Data: []byte(text)}
		}
		_, err := readLists(fsys)
		require.ErrorContains(t, err, c.want, c.name)
	}
}

func TestTheListsOfTheProduct(t *testing.T) {
	t.Parallel()
	layers, err := productLists()
	require.NoError(t, err)
	for _, name := range []string{Guest, "skeleton", "libc", "python", "node", "redis", "memcached"} {
		require.Contains(t, layers, name)
	}
	require.NotContains(t, layers, every)
	require.Contains(t, layers["python"].common, "usr/share/doc", "what holds for every layer holds for each")
	below, err := stack(layers, "python")
	require.NoError(t, err)
	require.Len(t, below, 3, "python, libc, skeleton")
}

func TestWhatAptPrintsIsUnderstood(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	debs, err := parseURIs(strings.NewReader(
		"'http://mirror/pool/main/c/crun/crun_1.8.1-1%2bdeb12u1_arm64.deb' crun_1.8.1-1+deb12u1_arm64.deb 291720 SHA256:" + sum + "\n" +
			"'http://mirror/redis-tools_7.0_arm64.deb' redis-tools_5%3a7.0.15-1~deb12u10_arm64.deb 899140 SHA256:" + sum + "\n\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]deb{
		"crun":        {"crun", "1.8.1-1+deb12u1", sum},
		"redis-tools": {"redis-tools", "5:7.0.15-1~deb12u10", sum},
	}, debs)
	for _, bad := range []string{"E: broken", "'x' crun_1_arm64.deb 5 MD5Sum:00", "'x' crun_1_arm64.deb 5"} {
		_, err := parseURIs(strings.NewReader(bad))
		require.Error(t, err, bad)
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("on libc\npackage a1\nremove usr/*\nfile etc/x \"\\n\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseList("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, p := range append(append([]string{}, l.remove...), l.directories...) {
			require.True(t, local(p), p)
			require.False(t, strings.HasPrefix(p, "/") || strings.Contains("/"+p+"/", "/../"), p)
		}
		for _, file := range l.files {
			require.True(t, local(file.path))
		}
	})
}

func FuzzParseURIs(f *testing.F) {
	f.Add("'http://mirror/a_1_all.deb' a_1_all.deb 5 SHA256:" + strings.Repeat("0", 64) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		debs, err := parseURIs(strings.NewReader(text))
		if err != nil {
			return
		}
		for name, d := range debs {
			require.Equal(t, name, d.name)
			require.Len(t, d.sha256, 64)
			require.NotContains(t, d.name, "/")
		}
	})
}
