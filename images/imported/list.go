package imported

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"microcosm/images/guest/oci"
	"microcosm/images/isa"
	"microcosm/images/tree"
)

// Listed is a function that was imported.
type Listed struct {
	Name   string  `json:"name"`
	ISA    isa.ISA `json:"isa"`
	Port   int     `json:"port"`
	Bytes  int64   `json:"bytes"` // of its layers, in blocks of 4 KiB; others may stand on them, too
	Origin Origin  `json:"origin"`
}

// Needs returns the names of what the function brings along, sorted.
func (l Listed) Needs() []string { return slices.Sorted(maps.Keys(l.Origin.Dependencies)) }

// List returns the functions that were imported into dir, by ISA and name. What
// was staged there by other means is passed over.
func List(dir string) ([]Listed, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("list imported functions: %w", err)
	}
	var list []Listed
	var wrong []error
	for _, i := range isa.All() {
		root := filepath.Join(dir, i.String())
		origins, err := filepath.Glob(filepath.Join(root, "functions", "*", originFile))
		if err != nil {
			return nil, err
		}
		for _, file := range origins {
			l, err := listed(root, file)
			l.ISA = i
			wrong = append(wrong, err)
			list = append(list, l)
		}
	}
	return list, errors.Join(wrong...)
}

func listed(root, file string) (Listed, error) {
	dir := filepath.Dir(file)
	l := Listed{Name: filepath.Base(dir)}
	text, err := os.ReadFile(file)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l.Origin); err != nil {
		return l, fmt.Errorf("read %s: %w; import the function again", file, err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, oci.Description)); err != nil {
		return l, err
	}
	f, err := oci.ParseFunction(text)
	if err != nil {
		return l, fmt.Errorf("%s: %w", dir, err)
	}
	l.Port = f.Port
	for _, top := range f.Layers {
		if err := l.add(root, top); err != nil {
			return l, err
		}
	}
	return l, nil
}

// blockSize is that of the guest's file system.
const blockSize = 4096

// add adds the size of a layer and of those below it.
func (l *Listed) add(root, layer string) error {
	for layer != "" {
		dir := filepath.Join(root, "layers", layer)
		blocks, _, err := tree.Blocks(dir, blockSize)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s stands on layer %s, which is gone: import it again with --replace", l.Name, layer)
		}
		if err != nil {
			return err
		}
		l.Bytes += blocks * blockSize
		below, err := os.ReadFile(dir + ".on")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		layer = strings.TrimSpace(string(below))
	}
	return nil
}
