package images

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"microcosm/images/rootfs"
	"microcosm/images/tree"
)

// staged is what was handed in beside the layers of package rootfs.
type staged struct {
	layers    []rootfs.Layer
	functions []stagedFunction
}

type stagedFunction struct {
	name, dir, digest string
}

// stagedName is what layers and functions may be called: a path element that
// no option of mount or overlayfs takes apart.
var stagedName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// layersBelow is the file beside a staged layer that names the layer it stands
// on; without it the layer stands on none.
const layersBelow = ".on"

// readStaged reads a staged directory:
//
//	functions/NAME/…   a function
//	layers/NAME/…      a layer
//	layers/NAME.on     the name of the layer that it stands on
func readStaged(dir string) (staged, error) {
	var s staged
	if dir == "" {
		return s, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return s, fmt.Errorf("read the staged functions: %w", err)
	}
	functions, err := subdirectories(filepath.Join(dir, "functions"))
	if err != nil {
		return s, err
	}
	for _, name := range functions {
		f := stagedFunction{name: name, dir: filepath.Join(dir, "functions", name)}
		if f.digest, err = tree.Digest(f.dir); err != nil {
			return s, err
		}
		s.functions = append(s.functions, f)
	}
	layers, err := subdirectories(filepath.Join(dir, "layers"))
	if err != nil {
		return s, err
	}
	for _, name := range layers {
		l := rootfs.Layer{Name: name, Dir: filepath.Join(dir, "layers", name)}
		if l.Digest, err = tree.Digest(l.Dir); err != nil {
			return s, err
		}
		below, err := os.ReadFile(l.Dir + layersBelow)
		if err == nil {
			l.On = []string{strings.TrimSpace(string(below))}
		} else if !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
		s.layers = append(s.layers, l)
	}
	return s, nil
}

// subdirectories returns the names of dir's subdirectories, sorted; none where
// dir is not there.
func subdirectories(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	var mistakes []error
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if !stagedName.MatchString(entry.Name()) {
			mistakes = append(mistakes, fmt.Errorf("%s: %q is no name for a layer or function: lower case, digits, - _ . only", dir, entry.Name()))
		}
		names = append(names, entry.Name())
	}
	return names, errors.Join(mistakes...)
}

// mergeLayers adds staged layers to those of Debian packages and completes what
// they stand on.
func mergeLayers(layers, more []rootfs.Layer) ([]rootfs.Layer, error) {
	merged := slices.Clone(layers)
	for _, l := range more {
		if slices.ContainsFunc(merged, named(l.Name)) {
			return nil, fmt.Errorf("layer %s is staged, but there is a layer of that name", l.Name)
		}
		merged = append(merged, l)
	}
	for i := range merged {
		l := &merged[i]
		if len(l.On) != 1 || slices.ContainsFunc(layers, named(l.Name)) {
			continue
		}
		var below []string
		for next := l.On; len(next) > 0; {
			at := slices.IndexFunc(merged, named(next[0]))
			if at < 0 || next[0] == rootfs.Guest {
				return nil, fmt.Errorf("layer %s stands on %q, which is no layer", l.Name, next[0])
			}
			if slices.Contains(below, next[0]) || next[0] == l.Name {
				return nil, fmt.Errorf("layer %s stands on itself", l.Name)
			}
			below = append(below, next[0])
			next = merged[at].On
		}
		l.On = below
	}
	slices.SortFunc(merged, func(a, b rootfs.Layer) int { return strings.Compare(a.Name, b.Name) })
	return merged, nil
}

func named(name string) func(rootfs.Layer) bool {
	return func(l rootfs.Layer) bool { return l.Name == name }
}
