// Package cache keeps what is dear to build under the digest of what it was
// built from.
//
// An entry is a directory that appears whole or not at all: it is built aside
// and renamed. Two processes that want the same entry build it once; the second
// waits. An entry never changes, so a reader needs no lock. What a killed
// process left half-built is removed by the next one that builds that entry.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"microcosm/setup/filelock"
)

// Cache is a directory of entries. It is safe for concurrent use, also by
// several processes.
type Cache struct{ root string }

// Open returns the cache in dir, which is made where it is missing.
func Open(dir string) (*Cache, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	return &Cache{root}, nil
}

// Root returns the cache's directory.
func (c *Cache) Root() string { return c.root }

// Key returns the digest of parts, as lower-case hexadecimal. Parts are told
// apart: Key("a", "b") is not Key("ab").
func Key(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write(fmt.Appendf(nil, "%d:%s", len(part), part))
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// Recipe says how an entry is named and built.
type Recipe struct {
	Kind  string                 // a folder of the cache: "kernel"
	Key   string                 // of everything that Build depends on; see Key
	Need  int64                  // bytes of free space below which Build is not begun
	Build func(dir string) error // fills the fresh directory dir
}

// Entry returns the directory of r's entry, which is built if it is missing. It
// becomes the entry when r.Build returns nil and is removed otherwise.
func (c *Cache) Entry(ctx context.Context, r Recipe) (dir string, err error) {
	kind, key := r.Kind, r.Key
	dir = filepath.Join(c.root, kind, key)
	if isDir(dir) {
		return dir, nil
	}
	unlock, err := c.lock(ctx, kind, key)
	if err != nil {
		return "", fmt.Errorf("cache %s: %w", kind, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if isDir(dir) { // another process built it while this one waited
		return dir, nil
	}
	if err := c.Free(r.Need); err != nil {
		return "", fmt.Errorf("cache %s: %w", kind, err)
	}
	fresh := dir + ".building"
	if err := os.RemoveAll(fresh); err != nil {
		return "", fmt.Errorf("cache %s: remove what a killed build left: %w", kind, err)
	}
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return "", fmt.Errorf("cache %s: %w", kind, err)
	}
	if err := r.Build(fresh); err != nil {
		return "", errors.Join(err, removeAll(fresh))
	}
	if err := os.Rename(fresh, dir); err != nil {
		return "", errors.Join(fmt.Errorf("cache %s: %w", kind, err), removeAll(fresh))
	}
	return dir, nil
}

// Forget removes r's entry, so that the next Entry builds it again.
func (c *Cache) Forget(ctx context.Context, r Recipe) (err error) {
	unlock, err := c.lock(ctx, r.Kind, r.Key)
	if err != nil {
		return fmt.Errorf("cache %s: %w", r.Kind, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return removeAll(filepath.Join(c.root, r.Kind, r.Key))
}

// Scratch returns a fresh directory on the cache's file system, so that files
// of entries can be linked into it, and the function that removes it.
func (c *Cache) Scratch(name string) (dir string, remove func() error, err error) {
	dir, err = os.MkdirTemp(c.root, "scratch-"+name+"-")
	if err != nil {
		return "", nil, fmt.Errorf("cache: %w", err)
	}
	return dir, func() error { return removeAll(dir) }, nil
}

// Free returns an error that says what to do where the cache's file system has
// fewer than need bytes left.
func (c *Cache) Free(need int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(c.root, &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", c.root, err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < need {
		return fmt.Errorf("no disk space: %s has %d MiB free, %d MiB are needed; free some, or set XDG_CACHE_HOME to a larger disk",
			c.root, free>>20, need>>20)
	}
	return nil
}

// lock takes the exclusive lock of an entry, which ends with the process.
func (c *Cache) lock(ctx context.Context, kind, key string) (unlock func() error, err error) {
	if strings.ContainsRune(kind+key, filepath.Separator) || key == "" || kind == "" {
		return nil, fmt.Errorf("bad entry name %q/%q", kind, key)
	}
	dir := filepath.Join(c.root, kind)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return filelock.Take(ctx, filepath.Join(dir, key+".lock"))
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// removeAll removes a tree even where it holds directories without write
// permission, which packages may bring along.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	walk := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	if walk != nil {
		return fmt.Errorf("remove %s: %w", dir, errors.Join(err, walk))
	}
	return os.RemoveAll(dir)
}
