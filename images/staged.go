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

// Function is a function as it was staged.
type Function struct {
	Part
	Dir string // not to be changed
}

// stagedName is what layers and functions may be called: a path element that
// no option of mount or overlayfs takes apart.
var stagedName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// layersBelow is the file beside a staged layer that names the layer it stands
// on; without it the layer stands on mountPoints.
const layersBelow = ".on"

// mountPoints is the layer of the directories in which a container's own file systems
// are mounted. Others make them in an image that lacks them; here its root is read-only.
const mountPoints = "skeleton"

// Staged reads staged directories and returns their layers together with layers,
// sorted by name and each with all that it stands on, and their functions, sorted
// too. A directory holds
//
//	functions/NAME/…   a function
//	layers/NAME/…      a layer
//	layers/NAME.on     the name of the layer that it stands on; missing: skeleton
func Staged(dirs []string, layers []rootfs.Layer) ([]rootfs.Layer, []Function, error) {
	var functions []Function
	var more []rootfs.Layer
	var mistakes []error
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			mistakes = append(mistakes, fmt.Errorf("read the staged functions: %w", err))
			continue
		}
		f, errFunctions := stagedFunctions(filepath.Join(dir, "functions"))
		l, errLayers := stagedLayers(filepath.Join(dir, "layers"))
		mistakes = append(mistakes, errFunctions, errLayers)
		functions, more = append(functions, f...), append(more, l...)
	}
	slices.SortFunc(functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(functions); i++ {
		if functions[i].Name == functions[i-1].Name {
			mistakes = append(mistakes, fmt.Errorf("function %s is staged twice: rename one", functions[i].Name))
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, nil, err
	}
	merged, err := mergeLayers(layers, more)
	return merged, functions, err
}

func stagedFunctions(dir string) ([]Function, error) {
	names, err := subdirectories(dir)
	if err != nil {
		return nil, err
	}
	var functions []Function
	for _, name := range names {
		f := Function{Part{Name: name}, filepath.Join(dir, name)}
		if f.Digest, err = tree.Digest(f.Dir); err != nil {
			return nil, err
		}
		functions = append(functions, f)
	}
	return functions, nil
}

func stagedLayers(dir string) ([]rootfs.Layer, error) {
	names, err := subdirectories(dir)
	if err != nil {
		return nil, err
	}
	var layers []rootfs.Layer
	for _, name := range names {
		l := rootfs.Layer{Name: name, Dir: filepath.Join(dir, name), On: []string{mountPoints}}
		if l.Digest, err = tree.Digest(l.Dir); err != nil {
			return nil, err
		}
		below, err := os.ReadFile(l.Dir + layersBelow)
		if err == nil {
			l.On = []string{strings.TrimSpace(string(below))}
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
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
	for i := len(layers); i < len(merged); i++ {
		below, err := allBelow(merged, merged[i])
		if err != nil {
			return nil, err
		}
		merged[i].On = below
	}
	slices.SortFunc(merged, func(a, b rootfs.Layer) int { return strings.Compare(a.Name, b.Name) })
	return merged, nil
}

// allBelow returns the layers that l stands on, the nearest first.
func allBelow(layers []rootfs.Layer, l rootfs.Layer) ([]string, error) {
	var below []string
	for next := l.On; len(next) > 0; {
		at := slices.IndexFunc(layers, named(next[0]))
		if at < 0 || next[0] == rootfs.Guest {
			return nil, fmt.Errorf("layer %s stands on %q, which is no layer", l.Name, next[0])
		}
		if slices.Contains(below, next[0]) || next[0] == l.Name {
			return nil, fmt.Errorf("layer %s stands on itself", l.Name)
		}
		below = append(below, next[0])
		next = layers[at].On
	}
	return below, nil
}

func named(name string) func(rootfs.Layer) bool {
	return func(l rootfs.Layer) bool { return l.Name == name }
}
