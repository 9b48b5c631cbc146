package unpack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// maxLinks is how many symbolic links a name may lead through, as in Linux.
const maxLinks = 40

// parent returns the directory of that name, made where it is missing. It and
// those above it count as touched by the layer.
func (t *Tree) parent(name string) (*node, error) {
	return t.walk(name, true, true)
}

// find returns what name leads to; a link at its end is followed on demand.
func (t *Tree) find(name string, follow bool) (*node, error) {
	return t.walk(name, follow, false)
}

// walk goes from the root through the elements of name and of the links that it
// meets. Nothing lies above the root.
func (t *Tree) walk(name string, follow, create bool) (*node, error) {
	trail := []*node{t.root} // from the root to where the walk stands
	rest := strings.Split(name, "/")
	links := 0
	for len(rest) > 0 {
		element := rest[0]
		rest = rest[1:]
		here := trail[len(trail)-1]
		switch element {
		case "", ".":
			continue
		case "..":
			if len(trail) > 1 {
				trail = trail[:len(trail)-1]
			}
			continue
		}
		if !here.mode.IsDir() {
			return nil, fmt.Errorf("%s leads through a file: %w", name, errors.ErrUnsupported)
		}
		next := here.children[element]
		switch {
		case next == nil && !create:
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		case next == nil:
			next = directory(0o755, t.layer)
			here.children[element] = next
		case next.mode&fs.ModeSymlink != 0 && (follow || len(rest) > 0):
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%s leads through more than %d links", name, maxLinks)
			}
			if path.IsAbs(next.target) {
				trail = trail[:1]
			}
			rest = append(strings.Split(next.target, "/"), rest...)
			continue
		}
		trail = append(trail, next)
	}
	last := trail[len(trail)-1]
	if create {
		if !last.mode.IsDir() {
			return nil, fmt.Errorf("%s is a file, not a directory", name)
		}
		for _, n := range trail {
			n.layer = t.layer
		}
	}
	return last, nil
}

// Open opens a file as a container would see it.
func (t *Tree) Open(name string) (*os.File, error) {
	n, err := t.find(name, true)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return os.Open(n.contents)
}

// ReadFile returns what is in a file, as a container would see it: at most limit
// bytes of it.
func (t *Tree) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Executable reports whether name is a file that may be executed.
func (t *Tree) Executable(name string) bool {
	n, err := t.find(name, true)
	return err == nil && n.mode.IsRegular() && n.mode&0o111 != 0
}

// Directory reports whether name is a directory.
func (t *Tree) Directory(name string) bool {
	n, err := t.find(name, true)
	return err == nil && n.mode.IsDir()
}
