package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"microcosm/images/isa"
	"microcosm/images/kernel"
	"microcosm/images/rootfs"
	"microcosm/images/tree"
)

// Manifest names every part of an image by its digest. It holds no date and no
// path, so that two builds of the same parts have the same manifest.
type Manifest struct {
	ISA         isa.ISA        `json:"isa"`
	Kernel      Kernel         `json:"kernel"`
	Layers      []rootfs.Layer `json:"layers"`
	Agent       string         `json:"agent"` // digest of /init
	Functions   []Part         `json:"functions,omitempty"`
	Definitions Part           `json:"definitions,omitzero"` // what is asked of those that are not the product's
	Disk        Part           `json:"disk"`
}

// Kernel is the kernel's part of a manifest.
type Kernel struct {
	Version string `json:"version"` // of Debian's source package
	Source  string `json:"source"`  // digest of source, configuration, patches and compiler
	ELF     Part   `json:"elf"`
	Image   Part   `json:"image"`
	Config  Part   `json:"config"`
}

// Part is a file or, where it has no size, a tree.
type Part struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// Names of the files in an output directory.
const (
	manifestName = "manifest.json"
	diskName     = "disk.img"
	elfName      = "vmlinux"
	configName   = "kernel.config"

	// installedName is the directory of the catalog's installed functions.
	installedName = "functions"
)

// imageName is the name of the kernel that QEMU loads.
func imageName(i isa.ISA) string {
	if i == isa.X86 {
		return "bzImage"
	}
	return "Image"
}

// ReadManifest reads the manifest in an output directory.
func ReadManifest(out string) (Manifest, error) {
	text, err := os.ReadFile(filepath.Join(out, manifestName))
	if err != nil {
		return Manifest{}, fmt.Errorf("read the image's manifest: %w", err)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, fmt.Errorf("read %s: %w; build the image again", filepath.Join(out, manifestName), err)
	}
	return m, nil
}

// Verify returns an error for every file of the output directory whose content
// is not what its manifest says.
func Verify(out string) (Manifest, error) {
	m, err := ReadManifest(out)
	if err != nil {
		return Manifest{}, err
	}
	var wrong []error
	parts := []Part{m.Disk, m.Kernel.ELF, m.Kernel.Image, m.Kernel.Config}
	if m.Definitions.Name != "" {
		parts = append(parts, m.Definitions)
	}
	for _, want := range parts {
		digest, err := tree.File(filepath.Join(out, want.Name))
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("verify the image: %w", err))
		case digest != want.Digest:
			wrong = append(wrong, fmt.Errorf("verify the image: %s is %s, the manifest says %s: build it again", want.Name, digest, want.Digest))
		}
	}
	return m, errors.Join(wrong...)
}

// CheckKernel returns an error for every symbol of the built kernel that is not
// as its fragments ask, and for every missing feature of containers.
func CheckKernel(i isa.ISA, out string) error {
	asked, err := kernel.Fragments(i)
	if err != nil {
		return err
	}
	got, err := kernel.ReadFile(filepath.Join(out, configName))
	if err != nil {
		return err
	}
	return errors.Join(kernel.Check(asked, got, ""), kernel.Containers(got))
}

// filePart describes a file of an output directory.
func filePart(dir, name string) (Part, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return Part{}, err
	}
	digest, err := tree.File(path)
	return Part{name, digest, info.Size()}, err
}
