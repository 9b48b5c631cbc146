package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"

	"microcosm/functions"
)

// Load reads the scenario at path. The error is a *Mistakes if the file was
// read, and says what to do if not.
func Load(path string) (*Scenario, error) { return Reader{}.Load(path) }

// Parse reads a scenario from its text. The name is shown in mistakes, its
// folder is what relative paths are relative to, and it names a scenario that
// does not name itself. The error is a *Mistakes.
func Parse(name string, text []byte) (*Scenario, error) { return Reader{}.Parse(name, text) }

// Reader reads scenarios whose measured functions are those of a catalog. It is
// safe for concurrent use.
type Reader struct {
	Catalog *functions.Catalog // nil for the one that ships with the product
}

// Load is the function Load for this catalog.
func (r Reader) Load(path string) (*Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w; check the path", err)
	}
	return r.Parse(path, text)
}

// Parse is the function Parse for this catalog.
func (r Reader) Parse(name string, text []byte) (*Scenario, error) {
	root, mistakes := parseYAML(name, string(text))
	if root == nil {
		return nil, &Mistakes{List: mistakes}
	}
	s, found := origin{name: name, catalog: catalog{r.Catalog}, traces: &traces{}}.read(root)
	if mistakes = append(mistakes, found...); len(mistakes) > 0 {
		sortMistakes(mistakes)
		return nil, &Mistakes{List: mistakes}
	}
	return s, nil
}

// catalog looks up measured functions.
type catalog struct{ *functions.Catalog }

// shipped is read when the first scenario needs it.
var shipped = sync.OnceValues(functions.Load)

// get returns the catalog, by default the one that ships with the product.
func (c catalog) get() (*functions.Catalog, error) {
	if c.Catalog != nil {
		return c.Catalog, nil
	}
	return shipped()
}

func (c catalog) lookup(name string) (*functions.Function, error) {
	known, err := c.get()
	if err != nil {
		return nil, err
	}
	return known.Lookup(name)
}

// origin is what a scenario was read from.
type origin struct {
	name    string
	root    *node
	catalog catalog
	traces  *traces // shared by all scenarios that stem from one file
}

// folder returns what relative paths are relative to.
func (o origin) folder() string { return filepath.Dir(o.name) }

// read turns a document into a scenario, and returns what is wrong with it.
func (o origin) read(root *node) (*Scenario, []Mistake) {
	o.root = root
	s := &Scenario{origin: o}
	r := &reader{folder: o.folder(), reported: map[string]bool{}}
	start := root.at
	start.line, start.column = 1, 1
	r.readStruct(reflect.ValueOf(s).Elem(), place{key: start, node: root})
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(o.name), filepath.Ext(o.name))
	}
	return s, r.mistakes
}
