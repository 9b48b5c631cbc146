package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"microcosm/setup/filelock"
)

// entry is a checkpoint in the cache.
type entry struct {
	dir   string
	bytes int64
	used  time.Time
}

// evict removes what was used longest ago until the cache is below its limit,
// but neither what is in use nor the entry kept.
func (c *Cache) evict(kept string) error {
	entries, err := c.entries()
	if err != nil {
		return fmt.Errorf("evict checkpoints: %w", err)
	}
	var total int64
	for _, e := range entries {
		total += e.bytes
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.used.Compare(b.used) })
	var errs []error
	for _, e := range entries {
		if total <= c.limit {
			break
		}
		if e.dir == kept {
			continue
		}
		removed, err := c.remove(e.dir)
		if removed {
			total -= e.bytes
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// remove removes an entry unless it is in use.
func (c *Cache) remove(dir string) (removed bool, err error) {
	release, err := filelock.TryPart(c.lock(), filepath.Base(dir))
	if errors.Is(err, filelock.ErrHeld) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, release()) }()
	// The manifest goes first: without it, what is left is no entry.
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, os.RemoveAll(dir)
}

func (c *Cache) entries() ([]entry, error) {
	list, err := os.ReadDir(c.root)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, item := range list {
		dir := filepath.Join(c.root, item.Name())
		info, err := os.Stat(filepath.Join(dir, manifestName))
		if err != nil || strings.HasSuffix(dir, freshSuffix) {
			continue
		}
		e := entry{dir: dir, used: info.ModTime()}
		_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // what vanishes has no size
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // see above
			}
			if info, err := d.Info(); err == nil {
				e.bytes += info.Size()
			}
			return nil
		})
		entries = append(entries, e)
	}
	return entries, nil
}
