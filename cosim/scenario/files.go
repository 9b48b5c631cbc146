package scenario

import (
	"os"
	"path/filepath"
)

// azure2019Files make up a trace of that format.
var azure2019Files = []string{"invocations.csv", "durations.csv", "memory.csv"}

// resolve returns the path of a file that the scenario names.
func (r *reader) resolve(path string) string { return resolve(r.folder, path) }

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

func (r *reader) checkFile(p place, path string) {
	if full := r.resolve(path); !exists(full) {
		r.wrong(p, "there is no file %s: check the path, which is relative to the scenario's folder", full)
	}
}
