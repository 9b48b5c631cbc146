package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"microcosm/functions"
	"microcosm/images/cache"
	"microcosm/images/ext4"
	"microcosm/images/isa"
	"microcosm/images/kernel"
	"microcosm/images/rootfs"
	"microcosm/images/staging"
	"microcosm/images/tool"
	"microcosm/images/tree"
)

const (
	// spareBytes is the free space in an image. Guests mount it read-only.
	spareBytes = 1 << 20

	// spaceNeeded is the free space below which no image is begun.
	spaceNeeded = 2 << 30
)

// Options says what to build and where from.
type Options struct {
	ISA     isa.ISA
	Cache   *cache.Cache
	Out     string    // directory of the products of this ISA
	Agent   string    // Go package of the guest agent, as go build takes it
	Sources string    // directory of the catalog's functions; empty: none of them
	Staged  string    // directory with functions/ and layers/; empty: none
	Jobs    int       // parallel compilations of the kernel
	Nice    int       // niceness of the kernel's compilation
	Refresh bool      // ask Debian for newer packages
	Log     io.Writer // receives the output of the tools; may be nil
}

// BuildKernel builds the kernel into o.Out.
func BuildKernel(ctx context.Context, o Options) (Kernel, error) {
	built, err := kernel.Build(ctx, kernel.Options{ISA: o.ISA, Cache: o.Cache, Jobs: o.Jobs, Nice: o.Nice, Log: o.Log})
	if err != nil {
		return Kernel{}, err
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return Kernel{}, err
	}
	k := Kernel{Version: built.Version, Source: built.Key}
	for _, file := range []struct {
		from, name string
		part       *Part
	}{{built.ELF, elfName, &k.ELF}, {built.Image, imageName(o.ISA), &k.Image}, {built.Config, configName, &k.Config}} {
		if err := place(file.from, filepath.Join(o.Out, file.name)); err != nil {
			return Kernel{}, fmt.Errorf("write the kernel: %w", err)
		}
		if *file.part, err = filePart(o.Out, file.name); err != nil {
			return Kernel{}, err
		}
	}
	return k, nil
}

// place makes the file at to a copy of from: whole, or as it was before.
func place(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := renameio.NewPendingFile(to, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer func() { _ = out.Cleanup() }() // does nothing once the file is in its place
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.CloseAtomicallyReplace()
}

// BuildLayers builds the guest's root and the layers that functions share.
func BuildLayers(ctx context.Context, o Options) ([]rootfs.Layer, error) {
	return rootfs.Build(ctx, rootfs.Options{ISA: o.ISA, Cache: o.Cache, Refresh: o.Refresh, Log: o.Log})
}

// Build builds kernel, layers, agent and disk into o.Out and returns the
// manifest that it has written beside them. A disk that was made of the same
// parts, and still is what its manifest says, is kept.
func Build(ctx context.Context, o Options) (m Manifest, err error) {
	m.ISA = o.ISA
	if err := tool.Require("go", "mke2fs"); err != nil {
		return Manifest{}, err
	}
	if m.Kernel, err = BuildKernel(ctx, o); err != nil {
		return Manifest{}, err
	}
	if m.Layers, err = BuildLayers(ctx, o); err != nil {
		return Manifest{}, err
	}
	if err := o.Cache.Free(spaceNeeded); err != nil {
		return Manifest{}, err
	}
	stage, remove, err := o.Cache.Scratch("disk")
	if err != nil {
		return Manifest{}, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	staged, err := o.stage(ctx, filepath.Join(stage, "staged"), m.Layers)
	if err != nil {
		return Manifest{}, err
	}
	root := filepath.Join(stage, "root")
	own, err := o.assemble(ctx, root, staged, &m)
	if err != nil {
		return Manifest{}, err
	}
	if kept, err := Verify(o.Out); err == nil && sameParts(kept, m) {
		return kept, nil
	}
	return m, o.writeDisk(ctx, stage, own, &m)
}

// sameParts reports whether two manifests differ in nothing but what is made of
// the functions, of which the second does not know yet.
func sameParts(known, fresh Manifest) bool {
	fresh.Disk = known.Disk
	if fresh.Definitions.Name == known.Definitions.Name { // none, or of the same functions
		fresh.Definitions = known.Definitions
	}
	a, errA := json.Marshal(known)
	b, errB := json.Marshal(fresh)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// stage lays down the functions of the catalog in the fresh directory dir, and
// returns every directory with something staged.
func (o *Options) stage(ctx context.Context, dir string, layers []rootfs.Layer) ([]string, error) {
	var staged []string
	if o.Sources != "" {
		if err := staging.Stage(ctx, staging.Options{
			ISA: o.ISA, Cache: o.Cache, Source: o.Sources, Installed: filepath.Join(o.Out, installedName), Layers: layers, Log: o.Log,
		}, dir); err != nil {
			return nil, err
		}
		staged = append(staged, dir)
	}
	if o.Staged != "" {
		staged = append(staged, o.Staged)
	}
	return staged, nil
}

// assemble makes the tree of the whole disk and notes its parts in m. It returns the
// functions that are not the product's.
func (o *Options) assemble(ctx context.Context, root string, staged []string, m *Manifest) ([]Function, error) {
	if err := errors.Join(os.Mkdir(root, 0o755), os.Chmod(root, 0o755)); err != nil { // whatever the umask
		return nil, err
	}
	layers, functions, err := Staged(staged, m.Layers)
	if err != nil {
		return nil, err
	}
	own, err := defined(functions)
	if err != nil {
		return nil, err
	}
	if len(own) > 0 {
		m.Definitions.Name = definitionsName
	}
	m.Layers = nil
	for _, layer := range layers {
		if err := tree.Link(layer.Dir, filepath.Join(root, "layers", layer.Name)); err != nil {
			return nil, err
		}
		layer.Dir = "" // a manifest knows no paths
		m.Layers = append(m.Layers, layer)
	}
	if err := furnishRoot(root, m.Layers); err != nil {
		return nil, err
	}
	for _, f := range functions {
		if err := tree.Link(f.Dir, filepath.Join(root, "functions", f.Name)); err != nil {
			return nil, err
		}
		if slices.Contains(own, f) {
			if f.Digest, err = wholeDigest(f, layers); err != nil {
				return nil, err
			}
		}
		m.Functions = append(m.Functions, f.Part)
	}
	m.Agent, err = o.buildAgent(ctx, filepath.Join(root, "init"))
	return own, err
}

// furnishRoot moves the guest's layer out of layers/ to the root, adds what it
// stands on, and writes the index of those that stay.
func furnishRoot(root string, layers []rootfs.Layer) error {
	at := func(name string) string { return filepath.Join(root, "layers", name) }
	index := map[string][]string{}
	for _, layer := range layers {
		if layer.Name != rootfs.Guest {
			index[layer.Name] = append([]string{}, layer.On...)
			continue
		}
		for _, name := range append([]string{layer.Name}, layer.On...) {
			if err := tree.Link(at(name), root); err != nil {
				return err
			}
		}
	}
	if err := os.RemoveAll(at(rootfs.Guest)); err != nil {
		return err
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(at("index.json"), append(text, '\n'), 0o644), os.Chmod(at("index.json"), 0o644)) // whatever the umask
}

// buildAgent compiles the guest agent to path and returns its digest.
func (o *Options) buildAgent(ctx context.Context, path string) (string, error) {
	err := tool.Run(ctx, tool.Command{
		Args:   []string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", path, o.Agent},
		Env:    []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + o.ISA.GoArch(), "GOFLAGS="},
		Output: o.Log,
	})
	if err != nil {
		return "", fmt.Errorf("compile the guest agent %s: %w", o.Agent, err)
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
		return "", err
	}
	return tree.File(path)
}

// writeDisk makes the disk of the tree in stage, puts it into o.Out and beside it
// the definitions of own, the functions that are not the product's, and the manifest.
func (o *Options) writeDisk(ctx context.Context, stage string, own []Function, m *Manifest) error {
	made := filepath.Join(stage, diskName)
	if err := ext4.Make(ctx, filepath.Join(stage, "root"), made, spareBytes); err != nil {
		return err
	}
	// Until the new disk has its manifest there is none, rather than a wrong one.
	if err := os.Remove(filepath.Join(o.Out, manifestName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(made, filepath.Join(o.Out, diskName)); err != nil {
		if err := place(made, filepath.Join(o.Out, diskName)); err != nil { // another file system
			return fmt.Errorf("write the disk image: %w", err)
		}
	}
	var err error
	if m.Disk, err = filePart(o.Out, diskName); err != nil {
		return err
	}
	definitions := filepath.Join(o.Out, definitionsName)
	if len(own) > 0 {
		if err := writeDefinitions(own, definitions); err != nil {
			return fmt.Errorf("write the functions' definitions: %w", err)
		}
		if m.Definitions, err = filePart(o.Out, definitionsName); err != nil {
			return err
		}
	} else if err := os.Remove(definitions); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(o.Out, manifestName), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the image's manifest: %w", err)
	}
	return nil
}

// Clean removes the products of one ISA from out, and nothing that the build
// did not make. The cache stays.
func Clean(i isa.ISA, out string) error {
	var errs []error
	for _, name := range []string{manifestName, diskName, definitionsName, elfName, configName, imageName(i)} {
		if err := os.Remove(filepath.Join(out, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, os.RemoveAll(filepath.Join(out, installedName)))
	// A directory that holds something else stays.
	_ = os.Remove(out)
	return errors.Join(errs...)
}

// LayerDirs returns the directories of the layers that a function stands on in a guest,
// the lowest first. That of npm's packages is not among them: an installed function has
// them in its own directory.
func LayerDirs(ctx context.Context, o Options, f *functions.Function) ([]string, error) {
	layers, err := BuildLayers(ctx, o)
	if err != nil {
		return nil, err
	}
	described, err := staging.Describe(f, layers)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, name := range described.Layers {
		if name == staging.ModulesLayer {
			continue
		}
		at := slices.IndexFunc(layers, named(name))
		if at < 0 {
			return nil, fmt.Errorf("there is no layer %s", name)
		}
		for _, n := range append([]string{name}, layers[at].On...) {
			if below := slices.IndexFunc(layers, named(n)); below >= 0 && !slices.Contains(dirs, layers[below].Dir) {
				dirs = append(dirs, layers[below].Dir)
			}
		}
	}
	slices.Reverse(dirs)
	return dirs, nil
}
