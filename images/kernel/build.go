package kernel

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"microcosm/images/cache"
	"microcosm/images/isa"
	"microcosm/images/tool"
)

//go:embed *.config patches/*.patch
var recipes embed.FS

const (
	// sourcePackage is Debian's package of the source, which installs archive.
	sourcePackage = "linux-source-6.1"
	archive       = "/usr/src/linux-source-6.1.tar.xz"

	// recipeVersion is part of the key: raise it when build changes its products.
	recipeVersion = "1"

	// spaceNeeded is the unpacked source and the objects, with some to spare.
	spaceNeeded = 3 << 30
)

// reproducible fixes what the kernel would otherwise say about its build.
var reproducible = []string{
	"KBUILD_BUILD_TIMESTAMP=2024-01-01 00:00:00 UTC", "KBUILD_BUILD_USER=microcosm", "KBUILD_BUILD_HOST=microcosm",
	"KBUILD_BUILD_VERSION=1", "LC_ALL=C",
}

// Options says how to build.
type Options struct {
	ISA   isa.ISA
	Cache *cache.Cache
	Jobs  int       // parallel compilations; at least 1
	Nice  int       // niceness of the compilation
	Log   io.Writer // receives the build's output; may be nil
}

// Kernel is a built kernel.
type Kernel struct {
	ISA     isa.ISA
	Key     string // digest of source, fragments, patches and compiler
	Version string // of Debian's source package
	ELF     string // vmlinux: what gem5 loads, with its symbol table
	Image   string // bzImage or Image: what QEMU loads
	Config  string // the complete configuration
}

// Fragments returns what the ISA's kernel is asked to be: the fragments merged.
func Fragments(i isa.ISA) (Config, error) {
	var fragments []Config
	for _, name := range []string{"common.config", i.String() + ".config"} {
		text, err := recipes.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("kernel fragment of %s: %w", i, err)
		}
		fragment, err := Parse("images/kernel/"+name, bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		fragments = append(fragments, fragment)
	}
	return merge(fragments...)
}

// Build returns the kernel, from the cache if it was built before from the same
// source, fragments, patches and compiler.
func Build(ctx context.Context, o Options) (Kernel, error) {
	asked, err := Fragments(o.ISA)
	if err != nil {
		return Kernel{}, err
	}
	return (&build{Options: o, asked: asked, compiler: o.ISA.Multiarch() + "-gcc", archive: archive}).build(ctx)
}

type build struct {
	Options
	asked    Config
	compiler string
	archive  string // the source
}

// build returns the kernel from the cache, built if it is not there.
func (b *build) build(ctx context.Context) (Kernel, error) {
	if err := tool.Require("make", "gcc", b.compiler, "flex", "bison", "bc", "patch", "tar", "xz"); err != nil {
		return Kernel{}, err
	}
	key, version, err := b.key(ctx)
	if err != nil {
		return Kernel{}, err
	}
	dir, err := b.Cache.Entry(ctx, cache.Recipe{
		Kind: "kernel-" + b.ISA.String(), Key: key, Need: spaceNeeded,
		Build: func(dir string) error { return b.run(ctx, dir) },
	})
	if err != nil {
		return Kernel{}, fmt.Errorf("build the %s kernel: %w", b.ISA, err)
	}
	return Kernel{
		ISA: b.ISA, Key: key, Version: version,
		ELF: filepath.Join(dir, "vmlinux"), Image: filepath.Join(dir, b.imageName()), Config: filepath.Join(dir, "config"),
	}, nil
}

// imageName is what the kernel's build calls the loadable image.
func (b *build) imageName() string {
	if b.ISA == isa.X86 {
		return "bzImage"
	}
	return "Image"
}

// key returns the digest of everything the kernel is made from, and the version
// of the source package.
func (b *build) key(ctx context.Context) (key, version string, err error) {
	if _, err := os.Stat(b.archive); err != nil {
		return "", "", &tool.MissingError{What: b.archive, Package: sourcePackage}
	}
	out, err := tool.Output(ctx, tool.Command{Args: []string{"dpkg-query", "-W", "-f", "${Version}", sourcePackage}})
	if err != nil {
		return "", "", fmt.Errorf("version of the kernel source: %w", err)
	}
	version = string(out)
	parts := []string{recipeVersion, version, b.ISA.String()}
	for _, args := range [][]string{{b.compiler, "--version"}, {b.ISA.Multiarch() + "-ld", "--version"}} {
		out, err := tool.Output(ctx, tool.Command{Args: args})
		if err != nil {
			return "", "", fmt.Errorf("version of the compiler: %w", err)
		}
		first, _, _ := strings.Cut(string(out), "\n")
		parts = append(parts, first)
	}
	var fragment bytes.Buffer
	if err := b.asked.write(&fragment); err != nil {
		return "", "", err
	}
	parts = append(parts, fragment.String())
	patches, err := patchFiles()
	if err != nil {
		return "", "", err
	}
	for _, p := range patches {
		parts = append(parts, string(p.text))
	}
	return cache.Key(parts...), version, nil
}

type patchFile struct {
	name string
	text []byte
}

func patchFiles() ([]patchFile, error) {
	names, err := fs.Glob(recipes, "patches/*.patch") // sorted
	if err != nil {
		return nil, err
	}
	var patches []patchFile
	for _, name := range names {
		text, err := recipes.ReadFile(name)
		if err != nil {
			return nil, err
		}
		patches = append(patches, patchFile{filepath.Base(name), text})
	}
	return patches, nil
}

// run fills dir with vmlinux, the image and the configuration.
func (b *build) run(ctx context.Context, dir string) (err error) {
	work, remove, err := b.Cache.Scratch("kernel")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	source := filepath.Join(work, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		return err
	}
	if err := b.unpack(ctx, source); err != nil {
		return err
	}
	if err := b.configure(ctx, source); err != nil {
		return err
	}
	if err := b.make(ctx, source, "-j"+strconv.Itoa(max(b.Jobs, 1)), "vmlinux", b.imageName()); err != nil {
		return err
	}
	boot := map[isa.ISA]string{isa.X86: "arch/x86/boot", isa.Arm: "arch/arm64/boot"}[b.ISA]
	for from, to := range map[string]string{
		".config": "config", "vmlinux": "vmlinux", filepath.Join(boot, b.imageName()): b.imageName(),
	} {
		if err := os.Rename(filepath.Join(source, from), filepath.Join(dir, to)); err != nil {
			return fmt.Errorf("keep the kernel: %w", err)
		}
	}
	return nil
}

// unpack unpacks Debian's source and applies our patches.
func (b *build) unpack(ctx context.Context, source string) error {
	if err := tool.Run(ctx, tool.Command{
		Args: []string{"tar", "-xJf", b.archive, "-C", source, "--strip-components=1", "--no-same-owner"}, Output: b.Log, Nice: b.Nice,
	}); err != nil {
		return fmt.Errorf("unpack the kernel source: %w", err)
	}
	patches, err := patchFiles()
	if err != nil {
		return err
	}
	for _, p := range patches {
		file := filepath.Join(source, "..", p.name)
		if err := os.WriteFile(file, p.text, 0o644); err != nil {
			return err
		}
		args := []string{"patch", "--batch", "--forward", "--fuzz=0", "-p1", "-i", file}
		if err := tool.Run(ctx, tool.Command{Args: args, Dir: source, Output: b.Log}); err != nil {
			return fmt.Errorf("apply %s to %s: %w", p.name, sourcePackage, err)
		}
	}
	return nil
}

// configure writes .config and checks that every symbol took.
func (b *build) configure(ctx context.Context, source string) error {
	fragment := filepath.Join(source, "..", "fragment.config")
	f, err := os.Create(fragment)
	if err != nil {
		return err
	}
	if err := errors.Join(b.asked.write(f), f.Close()); err != nil {
		return err
	}
	if err := b.make(ctx, source, "KCONFIG_ALLCONFIG="+fragment, "allnoconfig"); err != nil {
		return err
	}
	got, err := ReadFile(filepath.Join(source, ".config"))
	if err != nil {
		return err
	}
	return Check(b.asked, got, source)
}

// ReadFile reads a complete configuration.
func ReadFile(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read kernel configuration: %w", err)
	}
	defer f.Close()
	return Parse(path, f)
}

func (b *build) make(ctx context.Context, source string, args ...string) error {
	return tool.Run(ctx, tool.Command{
		Args: append([]string{"make", "-s", "ARCH=" + b.ISA.String(), "CROSS_COMPILE=" + b.ISA.Multiarch() + "-"}, args...),
		Env:  reproducible, Dir: source, Nice: b.Nice, Output: b.Log,
	})
}
