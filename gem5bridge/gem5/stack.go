package gem5

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"microcosm/functions"
	"microcosm/gem5bridge/gem5/config"
	"microcosm/images"
	"microcosm/images/guest/oci"
	"microcosm/images/isa"
)

// version is raised when the way of measuring changes so that samples must not
// be pooled any more. It is part of the stack.
const version = "1"

// guestImage is the kernel and disk of one ISA.
type guestImage struct {
	isa      isa.ISA
	folder   string
	manifest images.Manifest
	catalog  *functions.Catalog // the product's and the image's own
}

// loadImage reads what was built for an ISA below root. Only its manifest and what
// is asked of its own functions are read: its files are compared once a job needs them.
func loadImage(root string, i isa.ISA) (guestImage, error) {
	folder := filepath.Join(root, i.String())
	m, err := images.ReadManifest(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return guestImage{}, fmt.Errorf("no image for %s in %s: run make -C images ISA=%s, or name the folder of the images with the setting images", i, root, i)
	}
	if err != nil {
		return guestImage{}, err
	}
	catalog, err := m.Catalog(folder)
	return guestImage{i, folder, m, catalog}, err
}

// functions returns the digest of every function in the image.
func (g guestImage) functions() map[string]string {
	digests := map[string]string{}
	for _, f := range g.manifest.Functions {
		digests[f.Name] = f.Digest
	}
	return digests
}

// stack covers all that runs below and beside a function: kernel, the layers of
// the root file system, the agent, gem5's version, how it is configured, and from
// how many interleaved calls on they run functionally. The layers of an imported
// image are part of its function's digest, so an import leaves other functions' keys
// as they are.
func (g guestImage) stack(gem5Version string, functional int) string {
	h := sha256.New()
	fmt.Fprintf(h, "isa=%q\nkernel=%q\nagent=%q\ngem5=%q\nconfig=%q\nback end=%q\n",
		g.isa, g.manifest.Kernel.ELF.Digest, g.manifest.Agent, gem5Version, config.Digest(), version)
	if functional > 0 {
		fmt.Fprintf(h, "functional=%d\n", functional)
	}
	for _, layer := range g.manifest.Layers {
		if strings.HasPrefix(layer.Name, oci.Imported) {
			continue
		}
		fmt.Fprintf(h, "layer %q=%q\n", layer.Name, layer.Digest)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// verify compares the image's files with its manifest.
func (g guestImage) verify() error {
	if _, err := images.Verify(g.folder); err != nil {
		return err
	}
	return g.same()
}

// same returns an error if the image is another than when it was loaded: a guest that
// is restored finds files on its disk that are not those in its memory.
func (g guestImage) same() error {
	m, err := images.ReadManifest(g.folder)
	if err != nil {
		return fmt.Errorf("the image was taken away meanwhile: %w", err)
	}
	if m.Disk.Digest != g.manifest.Disk.Digest {
		return fmt.Errorf("the image in %s was built anew meanwhile: start again", g.folder)
	}
	return nil
}

// defaultImages is the folder of the images where nothing names another: out in
// images of the source tree that the program was built in, or images beside it.
func defaultImages() string {
	if named := os.Getenv(ImagesVariable); named != "" {
		return named
	}
	self, err := os.Executable()
	if err != nil {
		return "images"
	}
	beside := filepath.Join(filepath.Dir(self), "images")
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	return filepath.Join(filepath.Dir(self), "..", "images", "out")
}

// ImagesVariable is the environment variable that names the folder of the images,
// one folder per ISA, where no setting does.
const ImagesVariable = "MICROCOSM_IMAGES"
