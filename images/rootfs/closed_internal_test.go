package rootfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	at "microcosm/images/archive/archivetest"
	"microcosm/images/isa"
)

// trees writes trees of files; a text that begins with -> is a link.
func trees(t *testing.T, of ...map[string]string) (roots []string) {
	t.Helper()
	for _, files := range of {
		root := t.TempDir()
		roots = append(roots, root)
		for name, text := range files {
			path := filepath.Join(root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			if target, link := strings.CutPrefix(text, "->"); link {
				require.NoError(t, os.Symlink(target, path))
			} else {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
			}
		}
	}
	return roots
}

// TestLibrariesAreLookedForAsAContainerSeesThem: in the union of the trees, links
// resolved there and not on this machine.
func TestLibrariesAreLookedForAsAContainerSeesThem(t *testing.T) {
	t.Parallel()
	host := filepath.Join(t.TempDir(), "libhost.so")
	require.NoError(t, os.WriteFile(host, nil, 0o644))
	roots := trees(t,
		map[string]string{
			"usr/lib/libown.so.1": "x", "usr/lib/libshort.so": "->libown.so.1", "lib64/ld.so": "->/lib/below/ld-2.so",
			"usr/lib/libcircle.so": "->libcircle.so", "usr/lib/libdangling.so": "->libnone.so", "usr/lib/libhost.so": "->" + host,
			"usr/lib/libdir.so/x": "x", "usr/lib/libhidden.so": "->libnone.so",
		},
		map[string]string{
			"lib/below/ld-2.so": "x", "usr/lib/libbelow.so": "x", "usr/lib/libhidden.so": "x", "lib/libup.so": "->../usr/lib/libown.so.1",
			"opt/libelsewhere.so": "x",
		})
	places := []string{"lib", "usr/lib"}
	for need, want := range map[string]bool{
		"libown.so.1":     true,
		"libshort.so":     true,
		"libbelow.so":     true,  // of the layer below
		"libup.so":        true,  // a link of the layer below to a file of this one
		"/lib64/ld.so":    true,  // an absolute link is one of the container
		"libnone.so":      false, //
		"libdangling.so":  false,
		"libcircle.so":    false,
		"libdir.so":       false, // a directory is no library
		"libhost.so":      false, // what this machine has, the guest has not
		"libhidden.so":    false, // the upper tree's link hides the file below
		"libelsewhere.so": false, // where no dynamic linker looks
		"/usr/lib/none":   false,
	} {
		require.Equal(t, want, found(need, roots, places), need)
	}
}

func TestWhatIsNoELFFileNeedsNothing(t *testing.T) {
	t.Parallel()
	program := at.Program("amd64")
	root := trees(t, map[string]string{
		"empty": "", "short": "\x7fE", "script": "#!/bin/sh\n", "static": program, "foreign": at.Program("arm64"), "cut": program[:30], "link": "->static",
	})[0]
	for _, name := range []string{"empty", "short", "script", "static"} {
		needs, err := elfNeeds(isa.X86, filepath.Join(root, name))
		require.NoError(t, err, name)
		require.Empty(t, needs, name)
	}
	_, err := elfNeeds(isa.X86, filepath.Join(root, "cut"))
	require.Error(t, err)
	err = closed(isa.X86, []string{root})
	require.ErrorContains(t, err, "/foreign: it is for EM_AARCH64, not EM_X86_64")
	require.ErrorContains(t, err, "/cut: ", "every file that is wrong is named")
	require.NotContains(t, err.Error(), "/static")
	require.NotContains(t, err.Error(), "/link", "what a link leads to is looked at once")
	require.ErrorIs(t, closed(isa.X86, []string{filepath.Join(root, "none")}), os.ErrNotExist)
}
