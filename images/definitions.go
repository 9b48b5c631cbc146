package images

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"microcosm/functions"
	"microcosm/images/guest/oci"
	"microcosm/images/rootfs"
)

// definitionsName is the archive of what says what is asked of the functions that
// are not the product's: whoever calls them cannot read the disk.
const definitionsName = "definitions.zip"

// defined returns those of the functions that bring a function.yaml. The error
// joins every mistake in one of them.
func defined(list []Function) ([]Function, error) {
	catalog, err := functions.Load()
	if err != nil {
		return nil, err
	}
	var own []Function
	var wrong []error
	for _, f := range list {
		brought, err := functions.Read(os.DirFS(f.Dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = brought.Lookup(f.Name)
		}
		if err == nil {
			catalog, err = catalog.With(brought)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", filepath.Join(f.Dir, oci.Definition), err))
			continue
		}
		own = append(own, f)
	}
	return own, errors.Join(wrong...)
}

// wholeDigest returns the digest of a function together with the layers of the images
// that it and its dependencies were imported as.
func wholeDigest(f Function, layers []rootfs.Layer) (string, error) {
	files, err := filepath.Glob(filepath.Join(f.Dir, oci.Dependencies, "*.json"))
	if err != nil {
		return "", err
	}
	all := fmt.Sprintf("function=%q\n", f.Digest)
	none := all
	for _, file := range append([]string{filepath.Join(f.Dir, oci.Description)}, files...) {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		described, err := oci.ParseFunction(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		for _, top := range described.Layers {
			at := slices.IndexFunc(layers, named(top))
			if at < 0 {
				return "", fmt.Errorf("%s: layer %s is not staged: import the function again", file, top)
			}
			for _, name := range append([]string{top}, layers[at].On...) {
				if strings.HasPrefix(name, oci.Imported) {
					all += fmt.Sprintf("layer %q=%q\n", name, layers[slices.IndexFunc(layers, named(name))].Digest)
				}
			}
		}
	}
	if all == none {
		return f.Digest, nil
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(all))), nil
}

// writeDefinitions writes an archive of the files, of each of the functions,
// that lie beside its function.yaml. The same files are the same archive.
func writeDefinitions(list []Function, path string) error {
	var text bytes.Buffer
	archive := zip.NewWriter(&text)
	for _, f := range list {
		entries, err := os.ReadDir(f.Dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() {
				continue
			}
			contents, err := os.ReadFile(filepath.Join(f.Dir, entry.Name()))
			if err != nil {
				return err
			}
			file, err := archive.Create(f.Name + "/" + entry.Name())
			if err != nil {
				return err
			}
			if _, err := file.Write(contents); err != nil {
				return err
			}
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return renameio.WriteFile(path, text.Bytes(), 0o644)
}

// Catalog returns the product's functions, and those that the image in the output
// directory brings. Not all of the product's need be in the image.
func (m Manifest) Catalog(out string) (*functions.Catalog, error) {
	catalog, err := functions.Load()
	if err != nil || m.Definitions.Name == "" {
		return catalog, err
	}
	file := filepath.Join(out, m.Definitions.Name)
	archive, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; build the image again", file, err)
	}
	defer func() { _ = archive.Close() }() // it was only read
	brought, err := functions.Read(archive)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; build the image again", file, err)
	}
	return catalog.With(brought)
}
