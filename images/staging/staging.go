package staging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"microcosm/functions"
	"microcosm/images/cache"
	"microcosm/images/guest/oci"
	"microcosm/images/isa"
	"microcosm/images/rootfs"
	"microcosm/images/tool"
	"microcosm/images/tree"
)

// ModulesLayer is the layer of npm's packages, below every Node.js function's
// own files.
const ModulesLayer = "npm"

// Options says what to stage and where from.
type Options struct {
	ISA       isa.ISA
	Cache     *cache.Cache
	Source    string         // directory of the functions' sources, with their Makefile
	Installed string         // where they are installed: kept from one build to the next
	Layers    []rootfs.Layer // what functions may stand on
	Log       io.Writer      // receives the output of the tools; may be nil
}

// Stage installs the functions of the catalog and lays them down in the fresh
// directory dir, as an image takes them (images.Options.Staged). The error names
// every function that cannot be staged.
func Stage(ctx context.Context, o Options, dir string) error {
	if err := tool.Require("go", "make", "npm", rootfs.Python); err != nil {
		return err
	}
	all, err := functions.Load()
	if err != nil {
		return err
	}
	if err := o.install(ctx); err != nil {
		return fmt.Errorf("install the functions for %s: %w", o.ISA, err)
	}
	modules, err := o.modules(ctx)
	if err != nil {
		return fmt.Errorf("install npm's packages: %w", err)
	}
	if err := layer(dir, modules); err != nil {
		return err
	}
	var wrong []error
	for _, name := range all.Names() {
		f, err := all.Lookup(name)
		if err != nil {
			return err
		}
		wrong = append(wrong, o.stage(f, dir))
	}
	return errors.Join(wrong...)
}

// install runs the functions' Makefile. Python's files are compiled by the
// version that guests have.
func (o *Options) install(ctx context.Context) error {
	installed, err := filepath.Abs(o.Installed)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(installed, 0o755); err != nil {
		return err
	}
	return o.make(ctx, "install-go", "install-python", "install-nodejs-files",
		"DESTDIR="+installed, "GOARCH="+o.ISA.GoArch(), "PYTHON="+rootfs.Python)
}

// modules returns the directory that holds node_modules, the same for both ISAs
// since no package has native code.
func (o *Options) modules(ctx context.Context) (string, error) {
	parts := []string{"1"}
	for _, name := range []string{"Makefile", "nodejs/package.json", "nodejs/package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(o.Source, name))
		if err != nil {
			return "", err
		}
		parts = append(parts, string(text))
	}
	return o.Cache.Entry(ctx, cache.Recipe{
		Kind: "npm", Key: cache.Key(parts...), Need: 128 << 20,
		Build: func(dir string) error { return o.make(ctx, "nodejs-modules", "MODULES="+dir) },
	})
}

func (o *Options) make(ctx context.Context, args ...string) error {
	return tool.Run(ctx, tool.Command{
		Args: append([]string{"make", "--no-print-directory", "-C", o.Source}, args...), Output: o.Log,
		// What a make that runs this program tells its children is not meant for this one.
		Env: []string{"MAKEFLAGS=", "MAKELEVEL=", "MFLAGS="},
	})
}

// layer stages the layer of npm's packages, found by every function in the
// directory in which its files lie.
func layer(dir, modules string) error {
	at := filepath.Join(dir, "layers", ModulesLayer)
	if err := tree.Link(filepath.Join(modules, "node_modules"), filepath.Join(at, oci.Files, "node_modules")); err != nil {
		return err
	}
	return os.WriteFile(at+".on", []byte("node\n"), 0o644)
}

// stage lays down one function: what starts it, and its files.
func (o *Options) stage(f *functions.Function, dir string) error {
	described, err := Describe(f, o.Layers)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(described, "", "  ")
	if err != nil {
		return err
	}
	at := filepath.Join(dir, "functions", f.Name)
	if err := tree.Link(filepath.Join(o.Installed, f.Name), filepath.Join(at, oci.Root, oci.Files)); err != nil {
		return fmt.Errorf("stage %s: %w", f.Name, err)
	}
	return os.WriteFile(filepath.Join(at, oci.Description), append(text, '\n'), 0o644)
}

// Describe returns what starts the function in a guest, on all the layers that it needs.
func Describe(f *functions.Function, layers []rootfs.Layer) (oci.Function, error) {
	more, err := Below(f, layers)
	if err != nil {
		return oci.Function{}, err
	}
	return oci.Describe(f, more...)
}

// runtimePackages are Debian's packages of the runtimes themselves, which
// oci.Describe knows the layers of.
var runtimePackages = []string{"python3", "nodejs"}

// Below returns the layers, beyond its runtime's, that hold the packages which
// the function needs. The error names the packages that no layer holds.
func Below(f *functions.Function, layers []rootfs.Layer) ([]string, error) {
	holds := map[string]string{}
	for _, l := range layers {
		for _, p := range l.Packages {
			holds[p.Name] = l.Name
		}
	}
	runtime, err := oci.Describe(f)
	if err != nil {
		return nil, err
	}
	given := slices.Clone(runtime.Layers) // and what these stand on
	for _, l := range layers {
		if slices.Contains(runtime.Layers, l.Name) {
			given = append(given, l.On...)
		}
	}
	var more []string
	var missing []error
	for _, p := range f.Packages.Debian {
		at, ok := holds[p]
		switch {
		case slices.Contains(runtimePackages, p) || slices.Contains(given, at) || slices.Contains(more, at):
		case !ok:
			missing = append(missing, fmt.Errorf("%s needs the Debian package %s, which no layer holds: add it to one in images/rootfs/layers", f.Name, p))
		default:
			more = append(more, at)
		}
	}
	if len(f.Packages.NPM) > 0 {
		more = append(more, ModulesLayer)
	}
	return more, errors.Join(missing...)
}
