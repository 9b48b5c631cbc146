// Package platforms answers which processors gem5 can be told to be: it reads the
// platform files that ship with the product, applies overrides and checks both.
//
// A platform is an ISA and a flat list of named parameters ("l2.size"). Every
// parameter that applies to its core model has a value, there is none that does
// not, and all but those that make the platform what it is can be overridden.
// Values are canonical, so that "1024KiB" and "1MiB" have one digest. The
// package does not know what gem5 makes of a parameter: config/ does.
package platforms

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"microcosm/images/isa"
)

//go:embed *.yaml
var files embed.FS

const extension = ".yaml"

// Platform is one platform with the values of all its parameters. It is not to
// be changed.
type Platform struct {
	Name       string
	About      string // what it stands for and where its values come from
	ISA        isa.ISA
	Parameters map[string]string // canonical values, by name
}

// Names returns the platforms that there are, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // cannot be: it is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), extension))
	}
	return names
}

// Load returns a platform with overrides applied. The error joins every mistake.
func Load(name string, overrides map[string]string) (Platform, error) {
	if !slices.Contains(Names(), name) {
		return Platform{}, fmt.Errorf("platform %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	text, err := files.ReadFile(path.Join(".", name+extension))
	if err != nil {
		return Platform{}, err
	}
	p, err := parse(name, text)
	if err != nil {
		return Platform{}, err
	}
	return p.with(overrides)
}

// file is a platform file.
type file struct {
	About      string         `yaml:"about"`
	ISA        string         `yaml:"isa"`
	Parameters map[string]any `yaml:"parameters"`
}

// parse reads a platform file. The error joins every mistake.
func parse(name string, text []byte) (Platform, error) {
	var f file
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField()).Decode(&f); err != nil {
		return Platform{}, fmt.Errorf("platform %s: %w", name, err)
	}
	p := Platform{Name: name, About: f.About, Parameters: map[string]string{}}
	var mistakes []error
	var err error
	if p.ISA, err = isa.Parse(f.ISA); err != nil {
		mistakes = append(mistakes, err)
	}
	if f.About == "" {
		mistakes = append(mistakes, errors.New("about: say what it stands for"))
	}
	given := map[string][]string{}
	flatten("", f.Parameters, given)
	var wrong []string
	for _, n := range slices.Sorted(maps.Keys(given)) {
		mistake := p.set(n, given[n][0])
		if len(given[n]) > 1 {
			mistake = fmt.Errorf("%s: given twice", n)
		}
		if mistake != nil {
			mistakes, wrong = append(mistakes, mistake), append(wrong, n)
		}
	}
	mistakes = append(mistakes, p.check(wrong...)...)
	if err := errors.Join(mistakes...); err != nil {
		return Platform{}, fmt.Errorf("platform %s: %w", name, err)
	}
	return p, nil
}

// flatten puts the leaves of a nested map under their dotted names.
func flatten(prefix string, nested map[string]any, into map[string][]string) {
	for name, value := range nested {
		if below, ok := value.(map[string]any); ok {
			flatten(prefix+name+".", below, into)
			continue
		}
		into[prefix+name] = append(into[prefix+name], fmt.Sprint(value))
	}
}

// with returns the platform with overrides.
func (p Platform) with(overrides map[string]string) (Platform, error) {
	changed := p
	changed.Parameters = maps.Clone(p.Parameters)
	var mistakes []error
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		known, is := table[name]
		switch {
		case !is:
			mistakes = append(mistakes, fmt.Errorf("override %s: no platform has such a parameter%s", name, meant(name, slices.Collect(maps.Keys(p.Parameters)))))
			continue
		case known.fixed:
			mistakes = append(mistakes, fmt.Errorf("override %s: it makes %s what it is; choose another platform of %s", name, p.Name, strings.Join(Names(), ", ")))
			continue
		}
		if _, has := p.Parameters[name]; !has {
			mistakes = append(mistakes, fmt.Errorf("override %s: %s, whose core.model is %s, has none", name, p.Name, p.Parameters[modelName]))
			continue
		}
		if err := changed.set(name, overrides[name]); err != nil {
			mistakes = append(mistakes, fmt.Errorf("override %w", err))
		}
	}
	if len(mistakes) == 0 {
		mistakes = changed.check()
	}
	return changed, errors.Join(mistakes...)
}

// set gives a parameter its canonical value.
func (p *Platform) set(name, text string) error {
	known, is := table[name]
	if !is {
		return fmt.Errorf("%s: no such parameter%s", name, meant(name, slices.Collect(maps.Keys(table))))
	}
	value, err := known.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.Parameters[name] = known.format(value)
	return nil
}

// Values returns the values as numbers (bytes, hertz, counts) or words.
func (p Platform) Values() map[string]any {
	values := map[string]any{}
	for name, text := range p.Parameters {
		value, err := table[name].parse(text)
		if err != nil {
			continue // cannot be: set has parsed it
		}
		if table[name].kind == word {
			values[name] = text
		} else {
			values[name] = value
		}
	}
	return values
}

// ClockKHz returns the frequency of the cores.
func (p Platform) ClockKHz() int {
	hertz, err := table[clockName].parse(p.Parameters[clockName])
	if err != nil {
		return 0 // cannot be: check has seen it
	}
	return int(hertz / 1000)
}

// MemoryBytes returns how much memory the machine has.
func (p Platform) MemoryBytes() int64 {
	bytes, err := table[memoryName].parse(p.Parameters[memoryName])
	if err != nil {
		return 0 // cannot be: check has seen it
	}
	return bytes
}

// Digest covers the ISA and every parameter, so that an override is another
// platform to whoever compares digests.
func (p Platform) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "isa=%q\n", p.ISA)
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		fmt.Fprintf(h, "%q=%q\n", name, p.Parameters[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
