package kernel

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/cache"
	"microcosm/images/isa"
	"microcosm/images/tool"
)

// This test is internal: where the source lies is not the caller's to say.

// workshop makes stand-ins for the tools of a kernel's build the programs of this
// test. make takes the configuration that it is asked for, and compiles by
// writing what it was called with. Tests with it may not run in parallel.
func workshop(t *testing.T, change map[string]string) *build {
	t.Helper()
	dir := t.TempDir()
	tools := map[string]string{
		"aarch64-linux-gnu-gcc": "echo gcc 12.2.0", "aarch64-linux-gnu-ld": "echo ld 2.40", "dpkg-query": "printf 6.1.1-1",
		"tar": "exit 0", "patch": "exit 0", "gcc": "exit 0", "flex": "exit 0", "bison": "exit 0", "bc": "exit 0", "xz": "exit 0",
		"make": `
for a; do
	case $a in
	KCONFIG_ALLCONFIG=*) cat "${a#*=}" >.config; exit ;;
	esac
done
echo run >>'` + filepath.Join(dir, "compiled") + `'
mkdir -p arch/arm64/boot
echo "$*" >vmlinux
echo image "$KBUILD_BUILD_TIMESTAMP" >arch/arm64/boot/Image`,
	}
	for name, script := range change {
		tools[name] = script
	}
	for name, script := range tools {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	archive := filepath.Join(dir, "linux-source.tar.xz")
	require.NoError(t, os.WriteFile(archive, nil, 0o644))
	c, err := cache.Open(filepath.Join(dir, "cache"))
	require.NoError(t, err)
	asked, err := Fragments(isa.Arm)
	require.NoError(t, err)
	return &build{Options: Options{ISA: isa.Arm, Cache: c, Jobs: 3}, asked: asked, compiler: "aarch64-linux-gnu-gcc", archive: archive}
}

// compiled returns how often a kernel was compiled.
func compiled(b *build) int {
	text, _ := os.ReadFile(filepath.Join(filepath.Dir(b.archive), "compiled")) // not there: never
	return len(text) / len("run\n")
}

func TestAKernelIsBuiltOncePerRecipe(t *testing.T) {
	b := workshop(t, nil)
	first, err := b.build(context.Background())
	require.NoError(t, err)
	require.Equal(t, "6.1.1-1", first.Version)
	elf, err := os.ReadFile(first.ELF)
	require.NoError(t, err)
	require.Equal(t, "-s ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- -j3 vmlinux Image\n", string(elf))
	image, err := os.ReadFile(first.Image)
	require.NoError(t, err)
	require.Equal(t, "image 2024-01-01 00:00:00 UTC\n", string(image), "no date of today")
	got, err := ReadFile(first.Config)
	require.NoError(t, err)
	require.NoError(t, Check(b.asked, got, ""))

	b.Jobs = 1 // how fast it is built is no part of what it is
	second, err := b.build(context.Background())
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Equal(t, 1, compiled(b))

	b.asked = maps.Clone(b.asked)
	b.asked["NR_CPUS"] = "4"
	third, err := b.build(context.Background())
	require.NoError(t, err)
	require.NotEqual(t, first.Key, third.Key)
	require.Equal(t, 2, compiled(b))
}

func TestAnotherCompilerIsAnotherKernel(t *testing.T) {
	b := workshop(t, nil)
	before, _, err := b.key(context.Background())
	require.NoError(t, err)
	after, _, err := workshop(t, map[string]string{"aarch64-linux-gnu-gcc": "echo gcc 13.1.0"}).key(context.Background())
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}

func TestAKernelThatCannotBeBuiltLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[string]string
		want   []string
	}{
		{"a symbol does not take", map[string]string{"make": `for a; do case $a in KCONFIG_ALLCONFIG=*) grep -v OVERLAY_FS "${a#*=}" >.config ;; esac; done`},
			[]string{"build the arm64 kernel", "CONFIG_OVERLAY_FS: asked for y, got n"}},
		{"a patch does not apply", map[string]string{"patch": "echo 'Hunk #1 FAILED at 7.'; exit 1"},
			[]string{"apply 0001-x86-apic-timer-frequency-from-the-command-line.patch to linux-source-6.1", "Hunk #1 FAILED"}},
		{"the disk is full", map[string]string{"tar": "echo 'tar: write error: No space left on device' >&2; exit 2"},
			[]string{"unpack the kernel source", "No space left on device"}},
		{"the compiler fails", map[string]string{"make": `for a; do case $a in KCONFIG_ALLCONFIG=*) cat "${a#*=}" >.config; exit ;; esac; done; echo "mm/slab.c:3: error: x"; exit 2`},
			[]string{"make: exit status 2: mm/slab.c:3: error: x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := workshop(t, c.change)
			_, err := b.build(context.Background())
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			left, err := filepath.Glob(filepath.Join(b.Cache.Root(), "*", "*"))
			require.NoError(t, err)
			for _, path := range left {
				require.Equal(t, ".lock", filepath.Ext(path), "only a lock stays")
			}
		})
	}
}

func TestMissingSourceIsNamedWithItsPackage(t *testing.T) {
	b := workshop(t, nil)
	require.NoError(t, os.Remove(b.archive))
	_, err := b.build(context.Background())
	var missing *tool.MissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "linux-source-6.1", missing.Package)
}
