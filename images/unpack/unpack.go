// Package unpack turns the layers of a container image into directories that
// overlayfs can stack.
//
// Layers are applied to a picture of the file tree that is kept in memory, as a
// container would see it: names are resolved there, links included, with the
// tree's root as the uppermost directory, so no entry can reach anything
// outside of it. What is written afterwards are plain names in directories made
// for them.
//
// Layers without whiteouts become a directory each, which images share. Since
// the directories hold no marks of overlayfs, which need privileges, a layer that
// hides something below it is written together with all that it leaves
// visible; the contents are hard links, not copies.
//
// Of a layer are kept: names, kinds, permissions, contents, hard links. Numbered
// deviations:
//
//  1. Everything belongs to root, as everything in a guest's image. What belonged
//     to another user may be read and executed by all, so that a program that runs
//     as that user still finds its files.
//  2. Set-user-id bits and capabilities of files are dropped; sandboxes gain no
//     privileges anyway.
//  3. Owners may always read, and enter directories.
//  4. Devices below /dev are left out, since every sandbox gets its own; elsewhere
//     they are refused, as are pipes and what tar might learn in the future.
package unpack

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Limits bound what an image may take; zero values stand for Defaults.
type Limits struct {
	Bytes   int64 // of all contents together
	Entries int   // of all layers together
}

// Defaults are enough for large images and end archives made to fill a disk.
var Defaults = Limits{Bytes: 16 << 30, Entries: 2_000_000}

// Names of whiteouts (image-spec, layer.md).
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// Tree is an image's file tree while its layers are applied. It is not safe for
// concurrent use.
type Tree struct {
	scratch string // holds the contents
	limits  Limits
	root    *node
	layer   int // the one being applied
	hides   bool
	bytes   int64
	entries int
	files   int
}

// node is a file, directory or symbolic link.
type node struct {
	mode     fs.FileMode // kind and permissions
	target   string      // of a symbolic link
	contents string      // where a file's contents lie on this host
	children map[string]*node
	layer    int // the uppermost one that touched it
}

func directory(perm fs.FileMode, layer int) *node {
	return &node{mode: fs.ModeDir | perm, children: map[string]*node{}, layer: layer}
}

// New returns an empty tree, which keeps contents in the empty directory
// scratch. What Write makes are hard links to them, so it should lie on the same
// file system.
func New(scratch string, limits Limits) *Tree {
	if limits.Bytes == 0 {
		limits.Bytes = Defaults.Bytes
	}
	if limits.Entries == 0 {
		limits.Entries = Defaults.Entries
	}
	return &Tree{scratch: scratch, limits: limits, root: directory(0o755, 0)}
}

// Apply applies the next layer, a tar, and reports whether it hides something of
// the layers below. After an error the tree is not to be used.
func (t *Tree) Apply(layer io.Reader) (hides bool, err error) {
	t.layer++
	t.hides = false
	r := tar.NewReader(layer)
	for {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, fmt.Errorf("layer %d: %w", t.layer, err)
		}
		if t.entries++; t.entries > t.limits.Entries {
			return false, fmt.Errorf("layer %d: the image has more than %d entries", t.layer, t.limits.Entries)
		}
		if err := t.apply(header, r); err != nil {
			return false, fmt.Errorf("layer %d: entry %q: %w", t.layer, header.Name, err)
		}
	}
	// What follows the tar counts for the layer's digest.
	if _, err := io.Copy(io.Discard, layer); err != nil {
		return false, fmt.Errorf("layer %d: %w", t.layer, err)
	}
	return t.hides, nil
}

func (t *Tree) apply(header *tar.Header, contents io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := plain(header.Name)
	if err != nil {
		return err
	}
	if name == "." {
		if header.Typeflag != tar.TypeDir {
			return errors.New("the root must be a directory")
		}
		t.root.mode, t.root.layer = fs.ModeDir|permissions(header), t.layer
		return nil
	}
	base := path.Base(name)
	if strings.HasPrefix(base, whiteout) {
		return t.hide(path.Dir(name), base)
	}
	parent, err := t.parent(path.Dir(name))
	if err != nil {
		return err
	}
	n, err := t.make(header, parent.children[base], contents)
	if n != nil {
		parent.children[base] = n
	}
	return err
}

// plain returns an entry's name without what must not matter: "." for the root.
func plain(name string) (string, error) {
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "", errors.New("its name climbs up by ..; no tool writes such a layer")
		}
		if len(element) > 255 {
			return "", errors.New("its name has an element of more than 255 bytes")
		}
	}
	if name == "" || strings.ContainsRune(name, 0) {
		return "", errors.New("it has no proper name")
	}
	return path.Join(".", strings.TrimLeft(name, "/")), nil
}

func permissions(header *tar.Header) fs.FileMode {
	perm := fs.FileMode(header.Mode) & fs.ModePerm
	perm |= 0o400
	if header.Typeflag == tar.TypeDir {
		perm |= 0o500
		if header.Mode&0o1000 != 0 {
			perm |= fs.ModeSticky
		}
	}
	if header.Uid != 0 {
		perm |= perm >> 6 & 0o5
	}
	return perm
}

// make returns the node of an entry that takes the place of old, nil if the
// entry is left out.
func (t *Tree) make(header *tar.Header, old *node, contents io.Reader) (*node, error) {
	perm := permissions(header)
	switch header.Typeflag {
	case tar.TypeDir:
		if old != nil && old.mode.IsDir() {
			old.mode, old.layer = fs.ModeDir|perm, t.layer
			return old, nil
		}
		return directory(perm, t.layer), nil
	case tar.TypeReg, tar.TypeGNUSparse: // its holes are read as zeros
		file, err := t.keep(contents, header.Size, perm)
		return &node{mode: perm, contents: file, layer: t.layer}, err
	case tar.TypeSymlink:
		if header.Linkname == "" || len(header.Linkname) > 4095 || strings.ContainsRune(header.Linkname, 0) {
			return nil, errors.New("the link points nowhere")
		}
		return &node{mode: fs.ModeSymlink | fs.ModePerm, target: header.Linkname, layer: t.layer}, nil
	case tar.TypeLink:
		return t.hardLink(header.Linkname)
	case tar.TypeChar, tar.TypeBlock:
		if strings.HasPrefix(path.Join(".", header.Name), "dev/") {
			return nil, nil
		}
		return nil, errors.New("a device outside of /dev needs privileges that no sandbox has")
	case tar.TypeFifo:
		return nil, errors.New("pipes are not supported")
	}
	return nil, fmt.Errorf("an entry of type %q is not known here", header.Typeflag)
}

func (t *Tree) hardLink(target string) (*node, error) {
	name, err := plain(target)
	if err != nil {
		return nil, fmt.Errorf("link to %q: %w", target, err)
	}
	n, err := t.find(name, false)
	switch {
	case err != nil:
		return nil, fmt.Errorf("link to %q: %w", target, err)
	case n.mode.IsDir():
		return nil, fmt.Errorf("link to %q: it is a directory", target)
	}
	linked := *n
	linked.layer = t.layer
	return &linked, nil
}

// keep writes a file's contents into the scratch directory.
func (t *Tree) keep(contents io.Reader, size int64, perm fs.FileMode) (string, error) {
	if t.bytes += size; size < 0 || t.bytes > t.limits.Bytes {
		return "", fmt.Errorf("the image unpacks to more than %d bytes", t.limits.Bytes)
	}
	t.files++
	name := filepath.Join(t.scratch, strconv.Itoa(t.files))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.CopyN(f, contents, size)
	return name, errors.Join(err, f.Chmod(perm), f.Close())
}

// hide applies a whiteout in the directory dir: to what layers below have there,
// wherever in the layer it stands.
func (t *Tree) hide(dir, base string) error {
	if base != opaque && strings.HasPrefix(base, whiteout+whiteout) {
		return nil // bookkeeping of AUFS, as .wh..wh.plnk
	}
	parent, err := t.parent(dir)
	if err != nil {
		return err
	}
	if base == opaque {
		t.prune(parent)
		return nil
	}
	hidden := strings.TrimPrefix(base, whiteout)
	if hidden == "" {
		return errors.New("a whiteout of nothing")
	}
	t.pruneChild(parent, hidden)
	return nil
}

// prune removes from a directory what layers below put there.
func (t *Tree) prune(dir *node) {
	for name := range dir.children {
		t.pruneChild(dir, name)
	}
}

func (t *Tree) pruneChild(dir *node, name string) {
	switch child := dir.children[name]; {
	case child == nil:
	case child.layer < t.layer:
		delete(dir.children, name)
		t.hides = true
	case child.mode.IsDir():
		t.prune(child)
	}
}
