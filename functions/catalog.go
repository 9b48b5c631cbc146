package functions

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
)

//go:embed */function.yaml
var own embed.FS

// fileName is what describes a function in its folder.
const fileName = "function.yaml"

// A Catalog is a set of functions by name. It never changes and is safe for
// concurrent use.
type Catalog struct {
	byName map[string]*Function
}

// Load returns the catalog that ships with the product.
func Load() (*Catalog, error) {
	return Read(own)
}

// LoadOne returns one function of the catalog that ships with the product, without
// reading the others, which takes ten million instructions. The error is
// ErrUnknownFunction, without suggestions.
func LoadOne(name string) (*Function, error) {
	file := path.Join(name, fileName)
	if _, err := fs.Stat(own, file); err != nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownFunction, name)
	}
	return readFile(own, file)
}

// Read returns the functions of fsys: one from each folder that holds a
// function.yaml, or a single one from a function.yaml at its root. The error joins
// every mistake of every file, each a *Mistake.
func Read(fsys fs.FS) (*Catalog, error) {
	files, err := fs.Glob(fsys, "*/"+fileName)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(fsys, fileName); err == nil {
		files = append(files, fileName)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no %s here nor one folder below: %w", fileName, fs.ErrNotExist)
	}
	c := &Catalog{byName: map[string]*Function{}}
	var wrong []error
	for _, file := range files {
		f, err := readFile(fsys, file)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if folder := path.Dir(file); folder != "." && folder != f.Name {
			wrong = append(wrong, &Mistake{File: file, Text: fmt.Sprintf("name %q: want the name of its folder, %q", f.Name, folder)})
		}
		if c.byName[f.Name] != nil {
			wrong = append(wrong, &Mistake{File: file, Text: fmt.Sprintf("a function %q exists already", f.Name)})
		}
		c.byName[f.Name] = f
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return c, nil
}

// With returns a catalog that holds both c's functions and other's. A name that both
// have is an error.
func (c *Catalog) With(other *Catalog) (*Catalog, error) {
	all := maps.Clone(c.byName)
	var wrong []error
	for _, name := range other.Names() {
		if all[name] != nil {
			wrong = append(wrong, fmt.Errorf("function %q exists in both catalogs: rename one", name))
		}
		all[name] = other.byName[name]
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return &Catalog{byName: all}, nil
}

// Lookup returns the function of that name. The error is ErrUnknownFunction and lists
// the names nearest to it.
func (c *Catalog) Lookup(name string) (*Function, error) {
	if f := c.byName[name]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("%w %q%s", ErrUnknownFunction, name, suggest(name, c.Names()))
}

// Names returns the names of all functions, sorted.
func (c *Catalog) Names() []string {
	return slices.Sorted(maps.Keys(c.byName))
}

func readFile(fsys fs.FS, file string) (*Function, error) {
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return nil, fmt.Errorf("read function: %w", err)
	}
	m := &mistakes{file: file, source: data}
	folder := path.Dir(file)
	f := m.readFunction(m.parseYAML(), func(name string) ([]byte, error) {
		return fs.ReadFile(fsys, path.Join(folder, name))
	})
	return f, m.all()
}
