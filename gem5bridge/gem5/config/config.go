// Package config holds the scripts, in gem5's Python, that build the machine of a
// platform and run a guest on it. They stand on gem5's standard library; what
// they read and write is in gem5bridge/gem5/FORMAT.md.
package config

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

//go:embed *.py
var scripts embed.FS

// The scripts that gem5 is started with.
const (
	Main  = "main.py"  // runs a guest
	Probe = "probe.py" // writes what gem5 is
)

// Digest covers every script: they decide what a platform's parameters mean.
func Digest() string {
	h := sha256.New()
	entries, err := scripts.ReadDir(".")
	if err != nil {
		return "" // cannot be: they are part of the program
	}
	for _, e := range entries {
		text, err := scripts.ReadFile(e.Name())
		if err != nil {
			return ""
		}
		fmt.Fprintf(h, "%q:%d:", e.Name(), len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Install writes the scripts into a folder of their own below dir and returns the
// path of Main. Scripts of another build of cosim lie beside them, and a script
// that somebody has changed is written anew.
func Install(dir string) (string, error) {
	folder := filepath.Join(dir, "config-"+Digest()[:16])
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("install gem5's configuration: %w", err)
	}
	entries, err := scripts.ReadDir(".")
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if err := install(folder, e); err != nil {
			return "", fmt.Errorf("install gem5's configuration: %w", err)
		}
	}
	return filepath.Abs(filepath.Join(folder, Main))
}

func install(folder string, e fs.DirEntry) error {
	text, err := scripts.ReadFile(e.Name())
	if err != nil {
		return err
	}
	path := filepath.Join(folder, e.Name())
	there, err := os.ReadFile(path)
	if err == nil && string(there) == string(text) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return renameio.WriteFile(path, text, 0o644)
}
