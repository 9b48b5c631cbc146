// Package tool runs the external programs of the image build, and says which
// Debian package holds one that is missing.
//
// A program runs in its own process group, dies with this process, and is ended
// when the context is. The error of a program that fails carries its last
// words, so that the caller need not keep a log to tell the user what happened.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"microcosm/gem5bridge/process"
)

// grace is how long a program may take to end after SIGTERM.
const grace = 2 * time.Second

// packages holds, per program, the Debian package that has it.
var packages = map[string]string{
	"aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
	"apt-get":               "apt",
	"bc":                    "bc",
	"bison":                 "bison",
	"dpkg-deb":              "dpkg",
	"dpkg-query":            "dpkg",
	"e2fsck":                "e2fsprogs",
	"flex":                  "flex",
	"gcc":                   "gcc",
	"make":                  "make",
	"mke2fs":                "e2fsprogs",
	"npm":                   "npm",
	"patch":                 "patch",
	"python3.11":            "python3.11",
	"qemu-system-aarch64":   "qemu-system-arm",
	"qemu-system-x86_64":    "qemu-system-x86",
	"tar":                   "tar",
	"x86_64-linux-gnu-gcc":  "gcc",
	"xz":                    "xz-utils",
}

// MissingError says that a program or a file of a Debian package is not there.
type MissingError struct {
	What    string
	Package string // empty: unknown
}

// Error names what is missing and the command that installs it.
func (e *MissingError) Error() string {
	if e.Package == "" {
		return e.What + " is missing"
	}
	return fmt.Sprintf("%s is missing: apt-get install %s", e.What, e.Package)
}

// Package returns the Debian package that has program; empty if unknown.
func Package(program string) string { return packages[program] }

// Programs returns every program that this package knows the Debian package of.
func Programs() map[string]string {
	all := make(map[string]string, len(packages))
	for program, name := range packages {
		all[program] = name
	}
	return all
}

// Find returns the path of program, which is looked for on PATH and then where
// Debian keeps programs of the administrator, or a *MissingError.
func Find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{program, packages[program]}
}

// Require returns a *MissingError for each of programs that is not installed.
func Require(programs ...string) error {
	var missing []error
	for _, program := range programs {
		if _, err := Find(program); err != nil {
			missing = append(missing, err)
		}
	}
	return errors.Join(missing...)
}

// Command says what to run.
type Command struct {
	Args   []string  // the program and its arguments
	Env    []string  // added to this process's environment
	Dir    string    // working directory; empty inherits
	Nice   int       // niceness; 0 inherits
	Output io.Writer // receives standard output and error; may be nil
}

// FailedError is a program that ran and failed.
type FailedError struct {
	Program string
	State   string // "exit status 2", "signal: killed"
	Tail    string // the last lines it printed
}

// Error is one line: the program, how it ended, and the line of its output that
// tells why, as far as that can be told.
func (e *FailedError) Error() string {
	text := e.Program + ": " + e.State
	if line := e.Reason(); line != "" {
		text += ": " + line
	}
	return text
}

// Reason returns the most telling line of the tail: the first that speaks of an
// error, else the last.
func (e *FailedError) Reason() string {
	lines := strings.Split(strings.TrimSpace(e.Tail), "\n")
	for _, line := range lines {
		lower := strings.ToLower(line)
		if strings.Contains(lower, "error") || strings.Contains(lower, "no space left") || strings.HasPrefix(line, "E: ") {
			return strings.TrimSpace(line)
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// Run runs c to its end. It returns a *MissingError, a *FailedError, or the
// context's error when that ended first.
func Run(ctx context.Context, c Command) error {
	return run(ctx, c, io.Discard)
}

// Output runs c and returns its standard output, which is not copied to
// c.Output.
func Output(ctx context.Context, c Command) ([]byte, error) {
	var out bytes.Buffer
	err := run(ctx, c, &out)
	return out.Bytes(), err
}

func run(ctx context.Context, c Command, stdout io.Writer) error {
	path, err := Find(c.Args[0])
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var last tail
	stderr := io.Writer(&last)
	if c.Output != nil {
		stderr = io.MultiWriter(&last, c.Output)
	}
	if stdout == io.Discard {
		stdout = stderr
	}
	p, err := process.Start(process.Spec{
		Args: append([]string{path}, c.Args[1:]...), Env: append(os.Environ(), c.Env...), Dir: c.Dir, Nice: c.Nice,
		Stdout: stdout, Stderr: stderr,
	})
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Stop(grace)
		return fmt.Errorf("%s: %w", c.Args[0], context.Cause(ctx))
	}
	if state := p.State(); !state.Success() {
		return &FailedError{Program: filepath.Base(c.Args[0]), State: state.String(), Tail: last.String()}
	}
	return nil
}
