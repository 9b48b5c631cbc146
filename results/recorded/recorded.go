// Package recorded holds the measured service times that ship with the program,
// so that a cluster can be simulated where nothing was measured yet.
//
// They are text files of package samplefile below samples/, written by `cosim
// store export`. The package guarantees that a store holds either all of them,
// under the label that names their content, or none.
package recorded

import (
	"context"
	"embed"
	"io/fs"

	"microcosm/results"
	"microcosm/results/samplefile"
)

// Collection is the name of the recorded samples in a store.
const Collection = "recorded"

//go:embed all:samples
var files embed.FS

// FS returns the recorded files. There may be none.
func FS() (fs.FS, error) { return fs.Sub(files, "samples") }

// Label returns "recorded@" and the digest of the recorded files: what stands
// for a stack where the recorded samples answer. It is "" if there are none.
func Label() (string, error) {
	folder, err := FS()
	if err != nil {
		return "", err
	}
	digest, err := samplefile.FolderDigest(folder)
	if err != nil || digest == "" {
		return "", err
	}
	return results.Label(Collection, digest), nil
}

// Ensure puts the recorded samples into the store on first use, replacing those
// of another version, and returns their label; "" if there are none.
func Ensure(ctx context.Context, store *results.Store) (string, error) {
	folder, err := FS()
	if err != nil {
		return "", err
	}
	return store.EnsureCollection(ctx, Collection, folder)
}
