// Package tree handles directory trees as values: a digest that depends on
// names, kinds, permissions and contents only, and copies by hard link.
//
// Owners and times are no part of a tree: in an image everything belongs to root
// and is of one date.
package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Digest returns the digest of the tree at root, as "sha256:…". Devices, sockets
// and pipes are refused.
func Digest(root string) (string, error) {
	h := sha256.New()
	err := walk(root, func(path, rel string, info fs.FileInfo) error {
		entry := fmt.Appendf(nil, "%d:%s %v ", len(rel), rel, info.Mode())
		switch {
		case info.Mode().IsRegular():
			sum, err := File(path)
			if err != nil {
				return err
			}
			entry = append(entry, sum...)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			entry = fmt.Appendf(entry, "%d:%s", len(target), target)
		}
		h.Write(append(entry, '\n'))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", root, err)
	}
	return format(h.Sum(nil)), nil
}

// File returns the digest of a file's contents, as "sha256:…".
func File(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return format(h.Sum(nil)), nil
}

func format(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// Link makes every file of from appear in to as well, by hard link where the
// file system allows it, else as a copy. Directories may exist already; files
// may not.
func Link(from, to string) error {
	err := walk(from, func(path, rel string, info fs.FileInfo) error {
		target := filepath.Join(to, rel)
		switch {
		case info.IsDir():
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			// Whatever the umask, and writable until the tree is complete.
			return os.Chmod(target, info.Mode()&(fs.ModePerm|fs.ModeSticky)|0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		err := os.Link(path, target)
		if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
			return copyFile(path, target, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("copy tree %s: %w", from, err)
	}
	return nil
}

// copyFile copies a regular file; to may not exist.
func copyFile(from, to string, perm fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(perm), out.Close())
}

// Blocks returns how many file system blocks of the given size the tree's
// contents take, and how many inodes.
func Blocks(root string, size int64) (blocks, inodes int64, err error) {
	err = walk(root, func(_, _ string, info fs.FileInfo) error {
		inodes++
		if info.Mode().IsRegular() || info.IsDir() {
			blocks += max(1, (info.Size()+size-1)/size)
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("size of %s: %w", root, err)
	}
	return blocks, inodes, nil
}

// walk calls visit in lexical order; rel is "." for the root.
func walk(root string, visit func(path, rel string, info fs.FileInfo) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if kind := info.Mode().Type(); kind != 0 && kind != fs.ModeDir && kind != fs.ModeSymlink {
			return fmt.Errorf("%s is neither file, directory nor symbolic link", rel)
		}
		return visit(path, rel, info)
	})
}
