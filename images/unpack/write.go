package unpack

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Write makes the directory dir, which must not exist: of what the last layer
// touched, or of the whole tree. After an error parts of it may be there.
func (t *Tree) Write(dir string, whole bool) error {
	if err := t.write(t.root, dir, whole); err != nil {
		return fmt.Errorf("write layer %d: %w", t.layer, err)
	}
	return nil
}

func (t *Tree) write(n *node, at string, whole bool) error {
	switch {
	case n.mode&fs.ModeSymlink != 0:
		return os.Symlink(n.target, at)
	case n.mode.IsRegular():
		return os.Link(n.contents, at)
	}
	if err := os.Mkdir(at, 0o700); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[name]
		if !whole && child.layer < t.layer {
			continue
		}
		if err := t.write(child, filepath.Join(at, name), whole); err != nil {
			return err
		}
	}
	return os.Chmod(at, n.mode&(fs.ModePerm|fs.ModeSticky)|0o700) // whatever the umask
}
