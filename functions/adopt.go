package functions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// A Definition is a function.yaml that can be taken over for another program which
// speaks the same protocol, such as one in an imported image.
type Definition struct {
	file        string
	source      []byte
	fsys        fs.FS
	descriptors string // name of the file beside it, "" if there is none
}

// Defined returns the definition of a function of the catalog that ships with the
// product. The error is ErrUnknownFunction.
func Defined(name string) (Definition, error) {
	catalog, err := Load()
	if err != nil {
		return Definition{}, err
	}
	if _, err := catalog.Lookup(name); err != nil {
		return Definition{}, err
	}
	folder, err := fs.Sub(own, name)
	if err != nil {
		return Definition{}, err
	}
	return readDefinition(path.Join(name, fileName), folder, fileName)
}

// ReadDefinition reads a definition from a file. The error joins every mistake in it.
func ReadDefinition(file string) (Definition, error) {
	return readDefinition(file, os.DirFS(filepath.Dir(file)), filepath.Base(file))
}

func readDefinition(file string, fsys fs.FS, base string) (Definition, error) {
	source, err := fs.ReadFile(fsys, base)
	if err != nil {
		return Definition{}, fmt.Errorf("read function: %w", err)
	}
	d := Definition{file: file, source: source, fsys: fsys}
	if _, err := d.parse(source); err != nil {
		return Definition{}, err
	}
	var known struct{ Descriptors string }
	if err := yaml.Unmarshal(source, &known); err != nil {
		return Definition{}, fmt.Errorf("read %s: %w", file, err)
	}
	d.descriptors = known.Descriptors
	return d, nil
}

// parse reads source as if it stood in the definition's place.
func (d Definition) parse(source []byte) (*Function, error) {
	m := &mistakes{file: d.file, source: source}
	f := m.readFunction(m.parseYAML(), func(name string) ([]byte, error) { return fs.ReadFile(d.fsys, name) })
	return f, m.all()
}

// Function returns what the definition says.
func (d Definition) Function() (*Function, error) { return d.parse(d.source) }

// An Adoption is what is different about the program that takes a definition over.
type Adoption struct {
	Name      string
	Port      int
	MemoryMiB int // 0: the definition's
	Command   []string
	// Dependencies replace the definition's unless nil. Those with a command get
	// their address in the variable Env.
	Dependencies []Dependency
}

// Adopt returns the function.yaml of a. Input classes and expected replies are the
// definition's; what it needs installed lies in an image.
func (d Definition) Adopt(a Adoption) ([]byte, error) {
	var all yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(d.source, &all, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("adopt %s: %w", d.file, err)
	}
	set(&all, "name", a.Name)
	expectAs(all, value(all, "runtime"))
	set(&all, "runtime", Native.String())
	set(&all, "port", a.Port)
	set(&all, "command", a.Command)
	if a.MemoryMiB > 0 {
		set(&all, "memoryMiB", a.MemoryMiB)
	}
	remove(&all, "packages")
	if a.Dependencies != nil {
		remove(&all, "dependencies")
		if list := dependencyList(a.Dependencies); len(list) > 0 {
			set(&all, "dependencies", list)
		}
	}
	text, err := yaml.MarshalWithOptions(all, yaml.UseSingleQuote(false))
	if err != nil {
		return nil, fmt.Errorf("adopt %s: %w", d.file, err)
	}
	if _, err := d.parse(text); err != nil {
		return nil, fmt.Errorf("adopt %s: %w", d.file, err)
	}
	return text, nil
}

// expectAs has every checker of a definition, at any depth, expect the replies of the
// runtime that the program is written in, unless it does already.
func expectAs(all yaml.MapSlice, runtime any) {
	for i, item := range all {
		below, ok := item.Value.(yaml.MapSlice)
		if !ok {
			continue
		}
		if item.Key == "reply" && value(below, "checker") != nil && value(below, "runtime") == nil {
			set(&below, "runtime", runtime)
			all[i].Value = below
			continue
		}
		expectAs(below, runtime)
	}
}

// value returns what stands under a key; nil where there is none.
func value(all yaml.MapSlice, key string) any {
	for _, item := range all {
		if item.Key == key {
			return item.Value
		}
	}
	return nil
}

// Copy puts the file with the definition's message types, if it has one, into dir.
func (d Definition) Copy(dir string) error {
	if d.descriptors == "" {
		return nil
	}
	data, err := fs.ReadFile(d.fsys, d.descriptors)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, d.descriptors)
	return errors.Join(os.WriteFile(file, data, 0o644), os.Chmod(file, 0o644))
}

func dependencyList(list []Dependency) []yaml.MapSlice {
	var all []yaml.MapSlice
	for _, d := range list {
		env := d.Env
		if env == "" {
			env = strings.ToUpper(strings.ReplaceAll(d.Name, "-", "_")) + "_ADDR"
		}
		item := yaml.MapSlice{{Key: "name", Value: d.Name}, {Key: "port", Value: d.Port}, {Key: "env", Value: env}}
		if d.Function != "" {
			item = append(item, yaml.MapItem{Key: "function", Value: d.Function})
		} else {
			item = append(item, yaml.MapItem{Key: "command", Value: d.Argv})
		}
		all = append(all, item)
	}
	return all
}

func set(all *yaml.MapSlice, key string, value any) {
	for i := range *all {
		if (*all)[i].Key == key {
			(*all)[i].Value = value
			return
		}
	}
	*all = append(*all, yaml.MapItem{Key: key, Value: value})
}

func remove(all *yaml.MapSlice, key string) {
	*all = slices.DeleteFunc(*all, func(item yaml.MapItem) bool { return item.Key == key })
}
