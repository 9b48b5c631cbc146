package rootfs

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/isa"
)

func write(t *testing.T, root, path string, data []byte, perm os.FileMode) {
	t.Helper()
	path = filepath.Join(root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, perm))
	require.NoError(t, os.Chmod(path, perm))
}

// self is this test's own program: an ELF file for the ISA it runs on.
func self(t *testing.T) ([]byte, isa.ISA, isa.ISA) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	ours, other := isa.X86, isa.Arm
	if binary.LittleEndian.Uint16(data[18:]) == uint16(isa.Arm.Machine()) {
		ours, other = other, ours
	}
	return data, ours, other
}

func TestALibraryThatNoPackageHasIsNamed(t *testing.T) {
	t.Parallel()
	library, err := os.ReadFile("/bin/sh") // dynamically linked on every Debian
	require.NoError(t, err)
	_, ours, other := self(t)
	needs, err := elfNeeds(ours, "/bin/sh")
	require.NoError(t, err)
	require.Contains(t, needs, "libc.so.6")
	require.Len(t, needs, 2, "libc and the interpreter")

	top, below := t.TempDir(), t.TempDir()
	write(t, top, "bin/tool", library, 0o755)
	write(t, top, "bin/script", []byte("#!/bin/tool"), 0o755)
	write(t, top, "etc/short", []byte("x"), 0o644)
	err = closed(ours, []string{top, below})
	require.ErrorContains(t, err, "/bin/tool needs libc.so.6, which is in no package")

	write(t, below, filepath.Join("lib", ours.Multiarch(), "libc-2.36.so"), nil, 0o755)
	require.NoError(t, os.Symlink("libc-2.36.so", filepath.Join(below, "lib", ours.Multiarch(), "libc.so.6")))
	interpreter := needs[1]
	write(t, below, filepath.Join("lib", ours.Multiarch(), "ld.so"), nil, 0o755)
	require.NoError(t, os.MkdirAll(filepath.Join(top, filepath.Dir(interpreter)), 0o755))
	link := filepath.Join(top, interpreter)
	require.NoError(t, os.Symlink("/lib/"+ours.Multiarch()+"/ld.so", link), "an absolute link into the layer below")
	require.NoError(t, closed(ours, []string{top, below}))

	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(interpreter, link))
	require.ErrorContains(t, closed(ours, []string{top, below}), "needs "+interpreter, "a link to itself leads nowhere")

	require.ErrorContains(t, closed(other, []string{top, below}), "/bin/tool: it is for "+ours.Machine().String()+", not "+other.Machine().String())
}

func TestAStaticProgramNeedsNothing(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	write(t, top, "broken", []byte("\x7fELF and then nonsense"), 0o755)
	_, ours, _ := self(t)
	require.ErrorContains(t, closed(ours, []string{top}), "/broken:")
}

func TestPruneRemovesWhatTheListSaysAndNoticesWhatIsGone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, "usr/lib/a/gconv/x", nil, 0o644)
	write(t, root, "usr/lib/a/keep", nil, 0o644)
	write(t, root, "usr/share/doc/x", nil, 0o644)
	require.NoError(t, prune(root, list{common: []string{"usr/share/doc", "usr/share/none"}, remove: []string{"usr/lib/*/gconv"}}))
	require.NoDirExists(t, filepath.Join(root, "usr/lib/a/gconv"))
	require.NoDirExists(t, filepath.Join(root, "usr/share/doc"))
	require.FileExists(t, filepath.Join(root, "usr/lib/a/keep"))
	require.ErrorContains(t, prune(root, list{remove: []string{"usr/lib/*/gone"}}), "remove usr/lib/*/gone: nothing matches")
}

func TestALayerHoldsPlainPermissionsOnly(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, "bin/su", []byte("x"), 0o755|os.ModeSetuid)
	write(t, root, "etc/shadow", []byte("x"), 0o640)
	write(t, root, "bin/secret", []byte("x"), 0o700)
	require.NoError(t, os.Symlink("missing", filepath.Join(root, "dangling")))
	require.NoError(t, furnish(root, list{directories: []string{"var/lib"}, files: []file{{"etc/hosts", "h"}}}))
	require.NoError(t, os.Chmod(filepath.Join(root, "var"), 0o700|os.ModeSticky))
	require.NoError(t, plain(root))
	for path, want := range map[string]os.FileMode{
		"bin/su": 0o755, "etc/shadow": 0o644, "bin/secret": 0o755, "etc/hosts": 0o644, "var": os.ModeDir | 0o755, "var/lib": os.ModeDir | 0o755,
	} {
		info, err := os.Stat(filepath.Join(root, path))
		require.NoError(t, err)
		require.Equal(t, want, info.Mode(), path)
	}
}
