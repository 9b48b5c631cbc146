package gem5

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"microcosm/gem5bridge/gem5/config"
	"microcosm/gem5bridge/process"
	"microcosm/images/isa"
	"microcosm/images/tree"
)

// Variable is the environment variable that names gem5 where no setting does.
const Variable = "MICROCOSM_GEM5"

// Remedy says where gem5 comes from.
const Remedy = "get gem5 v24.0 or newer from https://www.gem5.org, build it with X86 and ARM (scons build/ALL/gem5.opt), " +
	"and put it on the PATH as gem5 or name it with " + Variable

// oldest is the oldest version that the scripts work with.
var oldest = [2]int{24, 0}

// Program is a gem5 that was found and asked.
type Program struct {
	Path    string
	Digest  string // of the file
	Version string
	ISAs    []isa.ISA
	Ruby    bool
}

// NotFoundError says that there is no gem5 that can be used.
type NotFoundError struct{ Why string }

// Error says what was looked for and where to get it.
func (e *NotFoundError) Error() string { return e.Why + "; " + Remedy }

// locate returns the path of gem5: named, or from the environment, or the first of
// the usual names on the PATH.
func locate(named string) (string, error) {
	from := "the setting gem5"
	if named == "" {
		named, from = os.Getenv(Variable), Variable
	}
	if named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", &NotFoundError{fmt.Sprintf("%s names %s: %v", from, named, err)}
		}
		return filepath.Abs(path)
	}
	names := []string{"gem5", "gem5.fast", "gem5.opt"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", &NotFoundError{fmt.Sprintf("no gem5: neither %s is set, nor is any of %s on the PATH", Variable, strings.Join(names, ", "))}
}

// probed bounds how long gem5 may take to say what it is.
const probed = 2 * time.Minute

// Find finds gem5 and asks it for its version and its ISAs; named may be empty.
// Its error is a *NotFoundError where there is none that can be used.
func Find(ctx context.Context, named string) (Program, error) {
	path, err := locate(named)
	if err != nil {
		return Program{}, err
	}
	p := Program{Path: path}
	if p.Digest, err = tree.File(path); err != nil {
		return Program{}, &NotFoundError{fmt.Sprintf("%s cannot be read: %v", path, err)}
	}
	dir, err := os.MkdirTemp("", "microcosm-gem5-")
	if err != nil {
		return Program{}, err
	}
	answer, err := ask(ctx, path, dir)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return Program{}, err
	}
	p.Version, p.Ruby = answer.Version, answer.Ruby
	for _, word := range answer.ISAs {
		if i, err := isa.Parse(word); err == nil {
			p.ISAs = append(p.ISAs, i)
		}
	}
	return p, p.check()
}

// probe is what the script config.Probe writes.
type probe struct {
	Version string   `json:"version"`
	ISAs    []string `json:"isas"`
	Ruby    bool     `json:"ruby"`
}

// ask runs the script that asks gem5 what it is.
func ask(ctx context.Context, path, dir string) (probe, error) {
	main, err := config.Install(dir)
	if err != nil {
		return probe{}, err
	}
	var tail process.Tail
	p, err := process.Start(process.Spec{
		Args:   []string{path, "--outdir=" + dir, "--listener-mode=off", filepath.Join(filepath.Dir(main), config.Probe)},
		Dir:    dir,
		Stdout: &tail, Stderr: &tail,
	})
	if err != nil {
		return probe{}, &NotFoundError{fmt.Sprintf("%s does not start: %v", path, err)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, probed, fmt.Errorf("no answer within %v", probed))
	defer cancel()
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Stop(0)
		return probe{}, fmt.Errorf("ask %s what it is: %w", path, context.Cause(ctx))
	}
	text, err := os.ReadFile(filepath.Join(dir, probeAnswer))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return probe{}, err
		}
		return probe{}, &NotFoundError{fmt.Sprintf("%s is no gem5, or its standard library is broken: %v; its last words: %s",
			path, p.State(), strings.Join(tail.Lines(), " | "))}
	}
	var answer probe
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&answer); err != nil {
		return probe{}, fmt.Errorf("ask %s what it is: %w", path, err)
	}
	return answer, nil
}

// probeAnswer is the file that the probe writes.
const probeAnswer = "probe.json"

// check returns why the program cannot be used.
func (p Program) check() error {
	version, ok := parseVersion(p.Version)
	switch {
	case !ok:
		return &NotFoundError{fmt.Sprintf("%s has version %q, which is none that is known", p.Path, p.Version)}
	case slices.Compare(version[:], oldest[:]) < 0:
		return &NotFoundError{fmt.Sprintf("%s is version %s; 24.0 is the oldest that works", p.Path, p.Version)}
	case len(p.ISAs) == 0:
		return &NotFoundError{fmt.Sprintf("%s simulates neither x86_64 nor arm64", p.Path)}
	}
	return nil
}

// parseVersion reads the first two numbers of a version like "24.0.0.1" or "[DEVELOP-FOR-25.1]".
func parseVersion(text string) ([2]int, bool) {
	numbers := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if len(numbers) < 2 {
		return [2]int{}, false
	}
	major, errMajor := strconv.Atoi(numbers[0])
	minor, errMinor := strconv.Atoi(numbers[1])
	return [2]int{major, minor}, errMajor == nil && errMinor == nil
}
