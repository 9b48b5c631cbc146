package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
)

// traceFile matches the files that a trace in a folder consists of.
var traceFile = regexp.MustCompile(`^((invocations|durations|memory)\.csv|iat\d+\.json)(\.gz)?$`)

func resolve(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkFile reports a file that is missing, or a folder in its place.
func (r *reader) checkFile(p place, path string) {
	full := resolve(r.folder, path)
	switch info, err := os.Stat(full); {
	case r.reported[p.path]:
	case err != nil:
		r.wrong(p, "there is no file %s: check the path, which is relative to the scenario's folder", full)
	case info.IsDir():
		r.wrong(p, "%s is a folder: want a file", full)
	}
}

// File is a file that a scenario reads.
type File struct {
	Key    string `json:"key"`    // e.g. "workload.trace.path"
	Path   string `json:"path"`   // relative to the working folder, or absolute
	SHA256 string `json:"sha256"` // of its content; of a folder, of the trace files in it
}

// Identity returns the SHA-256 of everything that may change a result: the
// canonical form without execution, with the content of the files that are read
// in the place of their paths. The error says which file cannot be read.
func (s *Scenario) Identity() (string, error) {
	text, _, err := s.identify()
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:]), err
}

// Files returns the files that the scenario reads, with their digests.
func (s *Scenario) Files() ([]File, error) {
	_, files, err := s.identify()
	return files, err
}

// identify returns what identifies the scenario, and the files among it.
func (s *Scenario) identify() (text []byte, files []File, err error) {
	w := writer{skip: []string{"execution"}, file: func(key, path string) string {
		full := resolve(s.origin.folder(), path)
		digest, wrong := digestOf(full)
		if wrong != nil && err == nil {
			err = fmt.Errorf("digest %s: %w", key, wrong)
		}
		files = append(files, File{Key: key, Path: full, SHA256: digest})
		return "sha256:" + digest
	}}
	w.structure("", "", reflect.ValueOf(s).Elem())
	return w.out.Bytes(), files, err
}

// digestOf returns the SHA-256 of a file, or of the names and digests of the
// trace files in a folder.
func digestOf(path string) (string, error) {
	hash := sha256.New()
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }() // only read from
		_, err = io.Copy(hash, file)
		return hex.EncodeToString(hash.Sum(nil)), err
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if !traceFile.MatchString(e.Name()) {
			continue
		}
		digest, err := digestOf(filepath.Join(path, e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %s\n", e.Name(), digest)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
