package rootfs

import (
	"bufio"
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed layers/*.list
var lists embed.FS

// Guest is the name of the layer that is the guest's own root.
const Guest = "guest"

// every is the list whose removals hold for all layers.
const every = "every"

// file is a small file that a list brings along.
type file struct{ path, text string }

// list is one layer as it was written down.
type list struct {
	name          string
	on            string // the layer below; empty for the lowest
	packages      []string
	remove        []string // patterns of path.Match, relative to the layer's root
	common        []string // those of the list every, which need not match
	directories   []string
	files         []file
	compilePython bool
}

var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+$`)

// parseList reads a layer's list: one directive a line, comments after #. All
// mistakes are reported, each with its line.
func parseList(name string, r io.Reader) (list, error) {
	l := list{name: name}
	var mistakes []error
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if err := l.directive(word, strings.TrimSpace(rest)); err != nil {
			mistakes = append(mistakes, fmt.Errorf("layer %s: line %d: %w", name, n, err))
		}
	}
	if err := lines.Err(); err != nil {
		mistakes = append(mistakes, fmt.Errorf("layer %s: %w", name, err))
	}
	return l, errors.Join(mistakes...)
}

func (l *list) directive(word, rest string) error {
	switch word {
	case "on":
		if l.on != "" || !packageName.MatchString(rest) {
			return fmt.Errorf("%q: a layer stands on one other", "on "+rest)
		}
		l.on = rest
	case "package":
		if !packageName.MatchString(rest) || slices.Contains(l.packages, rest) {
			return fmt.Errorf("%q is not the name of a package, or stands here twice", rest)
		}
		l.packages = append(l.packages, rest)
	case "remove":
		if _, err := path.Match(rest, ""); err != nil || !local(rest) {
			return fmt.Errorf("%q is not a pattern of paths below the root", rest)
		}
		l.remove = append(l.remove, rest)
	case "directory":
		if !local(rest) {
			return fmt.Errorf("%q is not a path below the root", rest)
		}
		l.directories = append(l.directories, rest)
	case "file":
		name, quoted, _ := strings.Cut(rest, " ")
		text, err := strconv.Unquote(strings.TrimSpace(quoted))
		if err != nil || !local(name) {
			return fmt.Errorf("%q is not PATH \"TEXT\"", rest)
		}
		l.files = append(l.files, file{name, text})
	case "compile-python":
		l.compilePython = true
	default:
		return fmt.Errorf("unknown word %q: there are on, package, remove, directory, file, compile-python", word)
	}
	return nil
}

// local reports whether p is a clean path below the root.
func local(p string) bool { return p != "." && fs.ValidPath(p) }

// productLists returns the layers that this package has.
func productLists() (map[string]list, error) {
	fsys, err := fs.Sub(lists, "layers")
	if err != nil {
		return nil, err
	}
	return readLists(fsys)
}

// readLists returns every layer's list in fsys by name, with the removals that
// hold for all added, after checking that they stand on one another properly.
func readLists(fsys fs.FS) (map[string]list, error) {
	names, err := fs.Glob(fsys, "*.list")
	if err != nil {
		return nil, fmt.Errorf("read layers: %w", err)
	}
	layers := map[string]list{}
	var mistakes []error
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read layers: %w", err)
		}
		l, err := parseList(strings.TrimSuffix(name, ".list"), bytes.NewReader(text))
		mistakes = append(mistakes, err)
		layers[l.name] = l
	}
	common := layers[every].remove
	delete(layers, every)
	for name, l := range layers {
		l.common = common
		layers[name] = l
	}
	for _, name := range sortedNames(layers) {
		_, err := stack(layers, name)
		mistakes = append(mistakes, err)
	}
	return layers, errors.Join(mistakes...)
}

// stack returns the layer and all that it stands on, top first.
func stack(layers map[string]list, name string) ([]list, error) {
	var below []list
	seen := map[string]bool{}
	packages := map[string]string{}
	for at := name; at != ""; at = layers[at].on {
		l, ok := layers[at]
		if !ok {
			return nil, fmt.Errorf("layer %s stands on %q, which is no layer", name, at)
		}
		if seen[at] {
			return nil, fmt.Errorf("layer %s stands on itself", name)
		}
		seen[at] = true
		for _, p := range l.packages {
			if other := packages[p]; other != "" {
				return nil, fmt.Errorf("layer %s has package %s, which layer %s below it has too", other, p, at)
			}
			packages[p] = at
		}
		below = append(below, l)
	}
	return below, nil
}

func sortedNames(layers map[string]list) []string {
	names := make([]string, 0, len(layers))
	for name := range layers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
