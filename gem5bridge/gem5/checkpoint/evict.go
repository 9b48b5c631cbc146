package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// poll is how often a lock is tried again that another holds.
const poll = 100 * time.Millisecond

// hold takes the lock of an entry: alone, or beside others who only use it. It
// ends with the process.
func hold(ctx context.Context, path string, alone bool) (release func(), err error) {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil && same(f, path) {
			return func() { f.Close() }, nil
		}
		f.Close()
		if err != nil && err != unix.EWOULDBLOCK && err != unix.EINTR { //nolint:errorlint // a bare system call
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s, which another process makes or uses: %w", path, context.Cause(ctx))
		}
	}
}

// same says that the locked file is still the one at path: an eviction removes it.
func same(f *os.File, path string) bool {
	locked, err := f.Stat()
	there, errThere := os.Stat(path)
	return err == nil && errThere == nil && os.SameFile(locked, there)
}

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
		removed, err := remove(e.dir)
		if removed {
			total -= e.bytes
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// remove removes an entry unless it is in use.
func remove(dir string) (bool, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // do not wait
	release, err := hold(ctx, dir+lockSuffix, true)
	if err != nil {
		return false, nil //nolint:nilerr // somebody uses it
	}
	defer release()
	// The manifest goes first: without it, what is left is no entry.
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, errors.Join(os.RemoveAll(dir), os.Remove(dir+lockSuffix))
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
