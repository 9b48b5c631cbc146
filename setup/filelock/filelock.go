// Package filelock lets processes of one machine take turns: who holds the lock
// of a file or a folder is alone until it lets go or ends.
//
// A lock is advisory (flock(2), fcntl_locking(2)), ends with its process however that ends, and
// excludes another holder within the same process as well. Nothing is written
// to what is locked. A file that serves as a lock must not be removed while
// somebody may wait for it.
package filelock

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How often a lock is tried that somebody else holds: soon at first, since most
// locks are held briefly, then less and less often.
const (
	firstPoll = time.Millisecond
	lastPoll  = 200 * time.Millisecond
)

// ErrHeld says that somebody else holds the lock.
var ErrHeld = errors.New("held by another process")

// door opens what is locked, tries to lock it and unlocks it.
type door struct {
	open func(path string) (*os.File, error)
	try  func(file *os.File) error
	free func(file *os.File) error
}

// Take waits for the lock of path, an existing folder or a file, which is made
// where it is missing, and returns the function that lets go. Its error wraps
// that of ctx if ctx ends first.
func Take(ctx context.Context, path string) (release func() error, err error) {
	return door{open, try, free}.take(ctx, path)
}

// Try is Take that does not wait: its error wraps ErrHeld if somebody holds the
// lock.
func Try(path string) (release func() error, err error) { return door{open, try, free}.enter(path) }

// TakePart waits for the lock of one part of the file at path, which is made
// where it is missing. Parts are told apart by their names and are independent of
// each other and of the file's own lock, so that one file serves for any number.
func TakePart(ctx context.Context, path, part string) (release func() error, err error) {
	return partOf(part, unix.F_WRLCK).take(ctx, path)
}

// SharePart is TakePart for somebody who does not mind others that share the part:
// it waits for, and keeps out, only who takes it.
func SharePart(ctx context.Context, path, part string) (release func() error, err error) {
	return partOf(part, unix.F_RDLCK).take(ctx, path)
}

// TryPart is TakePart that does not wait.
func TryPart(path, part string) (release func() error, err error) {
	return partOf(part, unix.F_WRLCK).enter(path)
}

func (d door) take(ctx context.Context, path string) (release func() error, err error) {
	file, err := d.open(path)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	wait := firstPoll
	for {
		err := d.try(file)
		if err == nil {
			return d.release(file), nil
		}
		if !errors.Is(err, ErrHeld) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(fmt.Errorf("wait for the lock of %s: %w", path, context.Cause(ctx)), file.Close())
		case <-timer.C:
		}
		wait = min(2*wait, lastPoll)
	}
}

func (d door) enter(path string) (release func() error, err error) {
	file, err := d.open(path)
	if err == nil {
		if err = d.try(file); err == nil {
			return d.release(file), nil
		}
		err = errors.Join(err, file.Close())
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// release unlocks before it closes: a process that is being started beside us has
// a copy of the open file until it runs its program, and a lock that only its
// last copy's closing ends would be held for so long.
func (d door) release(file *os.File) func() error {
	return func() error { return errors.Join(d.free(file), file.Close()) }
}

// open opens path for its lock alone. A folder cannot be opened with O_CREATE,
// so that is the second try.
func open(path string) (*os.File, error) {
	file, err := os.Open(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	return os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644)
}

func try(file *os.File) error {
	return held(func() error { return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
}

func free(file *os.File) error {
	return held(func() error { return unix.Flock(int(file.Fd()), unix.LOCK_UN) })
}

// partOf is the door to one byte of a file, which need not be there: an open file
// description's lock, since those of fcntl(2) proper belong to the process and
// exclude nobody within it.
func partOf(name string, kind int16) door {
	sum := sha256.Sum256([]byte(name))
	// Two names never meet in practice, and if they did they would only wait for
	// each other.
	offset := int64(binary.BigEndian.Uint64(sum[:8]) >> 2)
	set := func(file *os.File, kind int16) error {
		lock := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: offset, Len: 1}
		return held(func() error { return unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &lock) })
	}
	return door{
		open: func(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644) },
		try:  func(file *os.File) error { return set(file, kind) },
		free: func(file *os.File) error { return set(file, unix.F_UNLCK) },
	}
}

// held makes a system call until no signal interrupts it; its error is ErrHeld if
// the lock was not to be had.
func held(call func() error) error {
	for {
		switch err := call(); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
			return ErrHeld
		default:
			return err
		}
	}
}
