// Package setup finds the programs that Microcosm needs on a machine and says
// which Debian package brings one that is missing. It installs nothing; the
// script setup/install does.
package setup

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// packages names the Debian package of a program.
var packages = map[string]string{
	"python3": "python3-minimal",
	"node":    "nodejs",
}

// Find returns the path of a program, named or with its path, or an error that says how to get it.
func Find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	if name, known := packages[filepath.Base(program)]; known {
		return "", fmt.Errorf("%w: install the Debian package %s, or run setup/install test", err, name)
	}
	return "", fmt.Errorf("%w: install it, or add its folder to PATH", err)
}
