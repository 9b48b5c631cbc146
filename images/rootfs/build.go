package rootfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"microcosm/images/cache"
	"microcosm/images/isa"
	"microcosm/images/tool"
	"microcosm/images/tree"
)

// recipeVersion is part of every layer's key: raise it when build changes what
// a layer holds.
const recipeVersion = "1"

// Options says what to build.
type Options struct {
	ISA     isa.ISA
	Cache   *cache.Cache
	Refresh bool      // ask Debian for newer versions of the packages
	Log     io.Writer // receives the output of the tools; may be nil
}

// Package is a Debian package of a layer.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Layer is a read-only tree.
type Layer struct {
	Name     string    `json:"name"`
	On       []string  `json:"on,omitempty"` // the layers it stands on, the nearest first
	Digest   string    `json:"digest"`
	Packages []Package `json:"packages,omitempty"`
	Dir      string    `json:"-"` // the tree, in the cache: not to be changed
}

// Build returns every layer, in alphabetical order, from the cache where it was
// built before from the same list and packages.
func Build(ctx context.Context, o Options) ([]Layer, error) {
	layers, err := productLists()
	if err != nil {
		return nil, err
	}
	if err := tool.Require("apt-get", "dpkg-deb", Python); err != nil {
		return nil, err
	}
	b := &build{Options: o, layers: layers, apt: &apt{o.ISA, o.Cache, o.Log}, done: map[string]Layer{}}
	if b.resolution, err = b.resolve(ctx); err != nil {
		return nil, err
	}
	var built []Layer
	for _, name := range sortedNames(layers) {
		layer, err := b.layer(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("layer %s for %s: %w", name, o.ISA, err)
		}
		built = append(built, layer)
	}
	return built, nil
}

type build struct {
	Options
	resolution
	layers map[string]list
	apt    *apt
	done   map[string]Layer
}

func (b *build) resolve(ctx context.Context) (resolution, error) {
	var packages []string
	for _, l := range b.layers {
		packages = append(packages, l.packages...)
	}
	slices.Sort(packages)
	return b.apt.resolve(ctx, slices.Compact(packages), b.Refresh)
}

// layer returns the named layer after those it stands on.
func (b *build) layer(ctx context.Context, name string) (Layer, error) {
	if layer, ok := b.done[name]; ok {
		return layer, nil
	}
	l := b.layers[name]
	layer := Layer{Name: name}
	var below []string // trees
	if l.on != "" {
		under, err := b.layer(ctx, l.on)
		if err != nil {
			return Layer{}, err
		}
		layer.On = append([]string{l.on}, under.On...)
		for _, name := range layer.On {
			below = append(below, b.done[name].Dir)
		}
	}
	var debs []deb
	for _, p := range l.packages {
		d, ok := b.debs[p]
		if !ok {
			return Layer{}, fmt.Errorf("package %s was not resolved", p)
		}
		debs = append(debs, d)
		layer.Packages = append(layer.Packages, Package{d.name, d.version})
	}
	dir, err := b.Cache.Entry(ctx, cache.Recipe{
		Kind: "layer-" + b.ISA.String(), Key: b.key(l, debs, below), Need: 512 << 20,
		Build: func(dir string) error { return b.fill(ctx, dir, l, debs, below) },
	})
	if err != nil {
		return Layer{}, err
	}
	digest, err := os.ReadFile(filepath.Join(dir, "digest"))
	if err != nil {
		return Layer{}, err
	}
	layer.Digest, layer.Dir = string(digest), filepath.Join(dir, "tree")
	b.done[name] = layer
	return layer, nil
}

// key returns the digest of everything the layer is made from.
func (b *build) key(l list, debs []deb, below []string) string {
	written, _ := json.Marshal([]any{l.name, l.remove, l.common, l.directories, fmt.Sprint(l.files), l.compilePython}) // strings only: cannot fail
	parts := []string{recipeVersion, b.ISA.String(), string(written)}
	for _, d := range debs {
		parts = append(parts, d.sha256)
	}
	return cache.Key(append(parts, below...)...)
}

// fill makes the layer's tree and its digest in dir.
func (b *build) fill(ctx context.Context, dir string, l list, debs []deb, below []string) error {
	root := filepath.Join(dir, "tree")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	files, err := b.apt.fetch(ctx, b.resolution)
	if err != nil {
		return err
	}
	for _, d := range debs {
		if err := tool.Run(ctx, tool.Command{Args: []string{"dpkg-deb", "--extract", files[d.name], root}, Output: b.Log}); err != nil {
			return fmt.Errorf("unpack %s %s: %w", d.name, d.version, err)
		}
	}
	if err := prune(root, l); err != nil {
		return err
	}
	if err := furnish(root, l); err != nil {
		return err
	}
	if l.compilePython {
		if err := CompilePython(ctx, root); err != nil {
			return err
		}
	}
	if err := plain(root); err != nil {
		return err
	}
	if err := closed(b.ISA, append([]string{root}, below...)); err != nil {
		return err
	}
	digest, err := tree.Digest(root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "digest"), []byte(digest), 0o644)
}

// prune removes what the list says. A pattern of the layer's own that matches
// nothing is a mistake: the packages have changed under it.
func prune(root string, l list) error {
	var mistakes []error
	for i, pattern := range append(slices.Clone(l.common), l.remove...) {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		if len(found) == 0 && i >= len(l.common) {
			mistakes = append(mistakes, fmt.Errorf("remove %s: nothing matches", pattern))
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return errors.Join(mistakes...)
}

// furnish adds the list's directories and files.
func furnish(root string, l list) error {
	for _, d := range l.directories {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	for _, f := range l.files {
		path := filepath.Join(root, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(f.text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// plain takes set-user-id bits away, which only the owners of the packages
// could mean, and makes every directory and file one that its owner can remove
// and everybody can read.
func plain(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return nil
		}
		perm := fs.FileMode(0o644)
		if info.IsDir() || info.Mode().Perm()&0o111 != 0 {
			perm = 0o755
		}
		return os.Chmod(path, perm)
	})
}

// Python is the interpreter that compiles Python for guests. Compiled files
// hold for one minor version, so it is the one that the python layer has.
const Python = "python3.11"

// CompilePython compiles every Python file below root for guests, which cannot
// do it themselves on their read-only roots and would compile at every start.
func CompilePython(ctx context.Context, root string) error {
	err := tool.Run(ctx, tool.Command{
		Args: []string{Python, "-I", "-m", "compileall", "-q", "-j1", "--invalidation-mode=unchecked-hash", "-s", root, "-p", "/", root},
		Env:  []string{"PYTHONHASHSEED=0"},
	})
	if err != nil {
		return fmt.Errorf("compile the Python files in %s: %w", root, err)
	}
	return nil
}
