//go:build linux

package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"microcosm/functions"
	"microcosm/images/guest/oci"
)

// catalog looks up the functions that ship with the product and those that bring
// a function.yaml of their own in the image. It reads each when it is first asked
// for: reading all would double the boot.
type catalog struct {
	folder string // of the image's functions
	known  map[string]*functions.Function
}

func newCatalog() *catalog {
	return &catalog{folder: oci.FunctionsDir, known: map[string]*functions.Function{}}
}

// Lookup returns the function of that name. The error is
// functions.ErrUnknownFunction where there is none.
func (c *catalog) Lookup(name string) (*functions.Function, error) {
	if f := c.known[name]; f != nil {
		return f, nil
	}
	if !filepath.IsLocal(name) || filepath.Base(name) != name || name == "." {
		return nil, fmt.Errorf("%w %q", functions.ErrUnknownFunction, name)
	}
	f, err := functions.LoadOne(name)
	brought, errBrought := c.brought(name)
	switch {
	case errBrought == nil && err == nil:
		return nil, fmt.Errorf("function %q ships with the product and is in the image as well: rename that one", name)
	case errBrought == nil:
		f, err = brought, nil
	case !errors.Is(errBrought, fs.ErrNotExist):
		err = errBrought
	}
	if err != nil {
		return nil, err
	}
	c.known[name] = f
	return f, nil
}

// brought reads a function's own function.yaml in the image.
func (c *catalog) brought(name string) (*functions.Function, error) {
	all, err := functions.Read(os.DirFS(filepath.Join(c.folder, name)))
	if err != nil {
		return nil, err
	}
	return all.Lookup(name)
}
