package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"microcosm/images/cache"
	"microcosm/images/isa"
)

// debian makes stand-ins for apt-get and dpkg-deb the programs of this test. A
// package is a file that holds its own name; unpacked it is usr/share/NAME. What
// apt-get was asked is written to the file that is returned. Tests with it may
// not run in parallel.
func debian(t *testing.T, packages ...string) (asked string) {
	t.Helper()
	dir := t.TempDir()
	asked = filepath.Join(dir, "asked")
	var known strings.Builder
	for _, p := range packages {
		sum := sha256.Sum256([]byte(p))
		fmt.Fprintf(&known, "%s) echo \"'http://mirror/%s_1.0_arm64.deb' %s_1.0_arm64.deb 5 SHA256:%s\" ;;\n", p, p, p, hex.EncodeToString(sum[:]))
	}
	for name, text := range map[string]string{
		"apt-get": `#!/bin/sh
verb=; uris=
for a; do
	case $a in
	update | download) verb=$a; echo $a >>'` + asked + `' ;;
	--print-uris) uris=1 ;;
	-*) ;;
	*) [ "$verb" = download ] || continue
		if [ $uris ]; then
			case $a in
			` + known.String() + `*) echo "E: no package $a" >&2; exit 100 ;;
			esac
		else
			printf %s "${a%%=*}" >"${a%%=*}_${a#*=}_arm64.deb"
		fi ;;
	esac
done
`,
		"dpkg-deb": "#!/bin/sh\nname=$(cat $2) && mkdir -p $3/usr/share && echo $name >$3/usr/share/$name\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return asked
}

// building returns a build of the given lists.
func building(t *testing.T, c *cache.Cache, lists map[string]string) *build {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range lists {
		files[name+".list"] = &fstest.MapFile{Data: []byte(text)}
	}
	layers, err := readLists(files)
	require.NoError(t, err)
	return &build{Options: Options{ISA: isa.Arm, Cache: c}, layers: layers, apt: &apt{isa.Arm, c, nil}, done: map[string]Layer{}}
}

func open(t *testing.T) *cache.Cache {
	t.Helper()
	c, err := cache.Open(t.TempDir())
	require.NoError(t, err)
	return c
}

func TestLayersAreBuiltOnceOfTheirPackages(t *testing.T) {
	asked := debian(t, "base", "tool")
	c := open(t)
	lists := map[string]string{
		"below": "package base\ndirectory run\nfile etc/hosts \"localhost\\n\"\n",
		"above": "on below\npackage tool\nremove usr/share/to*\n",
	}
	var digests []string
	for range 2 {
		b := building(t, c, lists)
		var err error
		b.resolution, err = b.resolve(context.Background())
		require.NoError(t, err)
		above, err := b.layer(context.Background(), "above")
		require.NoError(t, err)
		require.Equal(t, []string{"below"}, above.On)
		require.Equal(t, []Package{{"tool", "1.0"}}, above.Packages)
		require.NoFileExists(t, filepath.Join(above.Dir, "usr/share/tool"), "what the list removes is gone")
		below := b.done["below"]
		require.FileExists(t, filepath.Join(below.Dir, "usr/share/base"))
		require.DirExists(t, filepath.Join(below.Dir, "run"))
		require.FileExists(t, filepath.Join(below.Dir, "etc/hosts"))
		digests = append(digests, above.Digest+below.Digest)
	}
	require.Equal(t, digests[0], digests[1])
	text, err := os.ReadFile(asked)
	require.NoError(t, err)
	require.Equal(t, "update\ndownload\ndownload\n", string(text), "one question, one download; the second build asks nobody")
}

func TestAChangedListBuildsItsLayerAndThoseOnIt(t *testing.T) {
	debian(t, "base", "tool")
	c := open(t)
	dirs := func(below string) [2]string {
		b := building(t, c, map[string]string{"below": below, "above": "on below\npackage tool\n", "apart": "directory x\n"})
		var err error
		b.resolution, err = b.resolve(context.Background())
		require.NoError(t, err)
		above, err := b.layer(context.Background(), "above")
		require.NoError(t, err)
		apart, err := b.layer(context.Background(), "apart")
		require.NoError(t, err)
		return [2]string{above.Dir, apart.Dir}
	}
	before, after := dirs("package base\n"), dirs("package base\ndirectory run\n")
	require.NotEqual(t, before[0], after[0], "a layer is checked against what it stands on")
	require.Equal(t, before[1], after[1])
}

func TestWhatDebianDoesNotHaveIsAnError(t *testing.T) {
	debian(t, "base")
	b := building(t, open(t), map[string]string{"a1": "package base\npackage gone\n"})
	_, err := b.resolve(context.Background())
	require.ErrorContains(t, err, "resolve the arm64 packages")
	require.ErrorContains(t, err, "E: no package gone")
}

func TestALayerThatFailsLeavesNothing(t *testing.T) {
	debian(t, "base")
	c := open(t)
	b := building(t, c, map[string]string{"a1": "package base\nremove usr/share/other\n"})
	var err error
	b.resolution, err = b.resolve(context.Background())
	require.NoError(t, err)
	_, err = b.layer(context.Background(), "a1")
	require.ErrorContains(t, err, "remove usr/share/other: nothing matches")
	left, err := filepath.Glob(filepath.Join(c.Root(), "layer-arm64", "*"))
	require.NoError(t, err)
	for _, path := range left {
		require.Equal(t, ".lock", filepath.Ext(path), "only a lock stays")
	}
}

func TestRefreshAsksAgain(t *testing.T) {
	asked := debian(t, "base")
	c := open(t)
	for _, refresh := range []bool{false, false, true} {
		_, err := (&apt{isa.Arm, c, nil}).resolve(context.Background(), []string{"base"}, refresh)
		require.NoError(t, err)
	}
	text, err := os.ReadFile(asked)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), "update"))
}
