// Package filelock lets processes of one machine take turns: who holds the lock
// of a file or a folder is alone until it lets go or ends.
//
// A lock is advisory (flock(2)), ends with its process however that ends, and
// excludes another holder within the same process as well. Nothing is written
// to what is locked. A file that serves as a lock must not be removed while
// somebody may wait for it.
package filelock

import (
	"context"
	"errors"
	"fmt"
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

// Take waits for the lock of path, an existing folder or a file, which is made
// where it is missing, and returns the function that lets go. Its error wraps
// that of ctx if ctx ends first.
func Take(ctx context.Context, path string) (release func() error, err error) {
	file, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	wait := firstPoll
	for {
		err := try(file)
		if err == nil {
			return file.Close, nil
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

// Try is Take that does not wait: its error wraps ErrHeld if somebody holds the
// lock.
func Try(path string) (release func() error, err error) {
	file, err := open(path)
	if err == nil {
		if err = try(file); err == nil {
			return file.Close, nil
		}
		err = errors.Join(err, file.Close())
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
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
	for {
		switch err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return ErrHeld
		default:
			return err
		}
	}
}
