// Package checkpoint keeps the checkpoints of simulated machines under the digest
// of everything that they depend on.
//
// An entry appears whole or not at all and never changes. Before a Cache hands it
// out for the first time, and when size, change time or inode of a file are others since,
// its files are compared with the digests that were taken when it was made: one that
// is damaged, or was made of other parts than its key says, is made anew.
// Two processes that want one entry make it once. The cache is kept below a
// limit by removing what was used longest ago; what is in use is not removed.
package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"microcosm/setup/filelock"
)

// Key names a checkpoint by what it depends on.
type Key struct {
	Kind  string            // "boot", "warm"
	Parts map[string]string // every digest, version and number that matters
}

// Digest is the entry's name: the kind and the SHA-256 of all parts.
func (k Key) Digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(k.Parts)) {
		fmt.Fprintf(h, "%q=%q\n", name, k.Parts[name])
	}
	return k.Kind + "-" + hex.EncodeToString(h.Sum(nil))[:32]
}

// Checkpoint is an entry in use.
type Checkpoint struct {
	Dir     string // what gem5 restores from; not to be changed
	ID      string // of its content
	Made    bool   // it was made for this caller, not found
	release func() error
}

// Release lets go of the checkpoint, which may be removed from then on.
func (c Checkpoint) Release() {
	_ = c.release() // closes what nothing was written to
}

// Cache is a directory of checkpoints. It is safe for concurrent use, also by
// several processes.
type Cache struct {
	root  string
	limit int64

	mu    sync.Mutex
	sound map[string]sound // by directory: what was compared last
}

// sound is an entry whose files were those of its manifest.
type sound struct {
	files map[string]file
	looks map[string]look
}

// look is what shows without reading that a file may have changed.
type look struct {
	bytes, changed int64 // changed in nanoseconds since 1970; nobody can set it back
	inode          uint64
}

// tick is more than the grain of file times: what has changed within the last may
// change once more and look the same.
const tick = 100 * time.Millisecond

// young reports whether some file has changed too shortly before an instant for its
// look to tell.
func young(looks map[string]look, at time.Time) bool {
	for _, l := range looks {
		if l.changed > at.Add(-tick).UnixNano() {
			return true
		}
	}
	return false
}

// Open returns the cache in dir, which is made where it is missing, of at most
// limit bytes.
func Open(dir string, limit int64) (*Cache, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the checkpoints: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("open the checkpoints: %w", err)
	}
	return &Cache{root: root, limit: limit, sound: map[string]sound{}}, nil
}

func (c *Cache) lock() string { return filepath.Join(c.root, lockName) }

const (
	manifestName = "manifest.json"
	contentName  = "checkpoint"
	freshSuffix  = ".making"
	lockName     = "lock" // of it, each entry is a part
)

// manifest says what an entry is and what is in it.
type manifest struct {
	ID    string            `json:"id"`
	Kind  string            `json:"kind"`
	Parts map[string]string `json:"parts"`
	Files map[string]file   `json:"files"` // by path within the content
}

type file struct {
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest"`
}

// Get returns the key's checkpoint. Where there is none, or none that is sound,
// build makes it: it is given a path that does not exist and leaves the
// checkpoint's directory there.
func (c *Cache) Get(ctx context.Context, key Key, build func(path string) error) (Checkpoint, error) {
	dir := filepath.Join(c.root, key.Digest())
	for {
		if found, ok, err := c.find(ctx, dir, key); err != nil || ok {
			return found, err
		}
		made, err := c.make(ctx, dir, key, build)
		if err != nil {
			return Checkpoint{}, err
		}
		found, ok, err := c.find(ctx, dir, key)
		if err != nil || ok {
			found.Made = made
			if made {
				_ = c.evict(dir) // what cannot be removed now is tried again with the next
			}
			return found, err
		}
		// Another process has removed it in between.
	}
}

// find returns the entry if it is there and sound, with a hold on it.
func (c *Cache) find(ctx context.Context, dir string, key Key) (Checkpoint, bool, error) {
	release, err := filelock.SharePart(ctx, c.lock(), filepath.Base(dir))
	if err != nil {
		return Checkpoint{}, false, fmt.Errorf("checkpoint %s: %w", filepath.Base(dir), err)
	}
	m, err := c.verify(dir, key)
	if err != nil {
		_ = release()                   // nothing was written
		return Checkpoint{}, false, nil //nolint:nilerr // why it is not sound does not matter: it is made anew
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(dir, manifestName), now, now) // when it was used last: a hint
	return Checkpoint{Dir: filepath.Join(dir, contentName), ID: m.ID, release: release}, true, nil
}

// verify reads the entry's manifest and compares every file with it, unless they look
// as they did when that was done last.
func (c *Cache) verify(dir string, key Key) (manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return manifest{}, err
	}
	if m.Kind != key.Kind || !maps.Equal(m.Parts, key.Parts) {
		return manifest{}, errors.New("made of other parts")
	}
	now := time.Now()
	looks, err := each(filepath.Join(dir, contentName), lookAt)
	if err != nil {
		return manifest{}, err
	}
	c.mu.Lock()
	known := c.sound[dir]
	c.mu.Unlock()
	if maps.Equal(known.files, m.Files) && maps.Equal(known.looks, looks) {
		return m, nil
	}
	there, err := each(filepath.Join(dir, contentName), digest)
	if err != nil {
		return manifest{}, err
	}
	if !maps.Equal(there, m.Files) {
		return manifest{}, errors.New("its files have changed")
	}
	if !young(looks, now) {
		c.mu.Lock()
		c.sound[dir] = sound{m.Files, looks}
		c.mu.Unlock()
	}
	return m, nil
}

// make builds the entry unless another process has meanwhile. It reports whether
// it did.
func (c *Cache) make(ctx context.Context, dir string, key Key, build func(path string) error) (made bool, err error) {
	release, err := filelock.TakePart(ctx, c.lock(), filepath.Base(dir))
	if err != nil {
		return false, fmt.Errorf("checkpoint %s: %w", filepath.Base(dir), err)
	}
	defer func() { err = errors.Join(err, release()) }()
	if _, err := c.verify(dir, key); err == nil {
		return false, nil
	}
	fresh := dir + freshSuffix
	if err := errors.Join(os.RemoveAll(dir), os.RemoveAll(fresh), os.Mkdir(fresh, 0o755)); err != nil {
		return false, fmt.Errorf("checkpoint %s: %w", filepath.Base(dir), err)
	}
	content := filepath.Join(fresh, contentName)
	if err := build(content); err != nil {
		return false, errors.Join(err, os.RemoveAll(fresh))
	}
	if err := seal(fresh, key); err != nil {
		return false, errors.Join(fmt.Errorf("checkpoint %s: %w", filepath.Base(dir), err), os.RemoveAll(fresh))
	}
	return true, os.Rename(fresh, dir)
}

// seal writes the manifest of what was built.
func seal(fresh string, key Key) error {
	files, err := each(filepath.Join(fresh, contentName), digest)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("nothing was made")
	}
	m := manifest{Kind: key.Kind, Parts: key.Parts, Files: files}
	text, err := json.Marshal(m.Files)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	m.ID = key.Kind + "-" + hex.EncodeToString(sum[:])[:16]
	if text, err = json.MarshalIndent(m, "", "  "); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(fresh, manifestName), append(text, '\n'), 0o644)
}

// each returns what tell says of every file of a checkpoint, by path within it.
func each[T any](content string, tell func(path string) (T, error)) (map[string]T, error) {
	told := map[string]T{}
	err := filepath.WalkDir(content, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(content, path)
		if err != nil {
			return err
		}
		told[name], err = tell(path)
		return err
	})
	return told, err
}

func lookAt(path string) (look, error) {
	var s unix.Stat_t
	err := unix.Stat(path, &s)
	return look{s.Size, s.Ctim.Nano(), s.Ino}, err
}

func digest(path string) (file, error) {
	f, err := os.Open(path)
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return file{n, hex.EncodeToString(h.Sum(nil))}, err
}
