package functions

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Installed functions lie in one folder each, root/<name>, as the folder's Makefile
// puts them there. In commands {dir} stands for that folder, {host} and {port} for
// the address to listen on.

// Entrypoint is the command that starts the function with its files in dir, without
// an address: what a container runs.
func (f *Function) Entrypoint(dir string) []string {
	return expand(f.Argv, dir, "", 0)
}

// Command is how to start the installed function on this host, listening on
// 127.0.0.1:port, and what to add to its environment. The addresses of its
// dependencies are the caller's to add. The error is ErrNotInstalled if its folder is
// not below root.
func (f *Function) Command(root string, port int) (argv, env []string, err error) {
	dir, err := f.folder(root)
	if err != nil {
		return nil, nil, err
	}
	if port < 1 || port > 65535 {
		return nil, nil, fmt.Errorf("%s: port %d: want 1 to 65535", f.Name, port)
	}
	argv = append(f.Entrypoint(dir), "--addr", "127.0.0.1", "--port", strconv.Itoa(port))
	env = []string{"GRPC_PORT=" + strconv.Itoa(port)}
	if f.Runtime == Python {
		// What Python would write here is no part of the installed function.
		env = append(env, "PYTHONDONTWRITEBYTECODE=1")
	}
	return argv, env, nil
}

// Command is how to start a database on host:port. It is nil for a dependency
// that is a function itself.
func (d *Dependency) Command(host string, port int) []string {
	return expand(d.Argv, "", host, port)
}

func expand(argv []string, dir, host string, port int) []string {
	var list []string
	r := strings.NewReplacer("{dir}", dir, "{host}", host, "{port}", strconv.Itoa(port))
	for _, arg := range argv {
		list = append(list, r.Replace(arg))
	}
	return list
}

func (f *Function) folder(root string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(root, f.Name))
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%s: %w in %s: make -C functions install DESTDIR=%s", f.Name, ErrNotInstalled, root, filepath.Dir(dir))
	}
	return dir, nil
}

// Digest is the SHA-256 of the installed function, in hex: of the paths, modes and contents
// of its folder. What Python caches there does not count. It tells two
// installations apart; the interpreter and its packages are not part of it.
func (f *Function) Digest(root string) (string, error) {
	dir, err := f.folder(root)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "__pycache__" {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		mode, content, err := contents(path, entry)
		if err != nil {
			return err
		}
		// The length before the contents keeps one file apart from the next.
		_, err = fmt.Fprintf(sum, "%q %v %d\n%s", filepath.ToSlash(name), mode, len(content), content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", f.Name, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// contents returns the bytes of a file, the target of a link, nothing for a folder.
func contents(path string, entry fs.DirEntry) (fs.FileMode, []byte, error) {
	info, err := entry.Info()
	if err != nil {
		return 0, nil, err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return mode, nil, nil
	case mode.IsRegular():
		content, err := os.ReadFile(path)
		return mode, content, err
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return mode, []byte(target), err
	}
	return 0, nil, fmt.Errorf("%s is neither file, link nor folder", path)
}
