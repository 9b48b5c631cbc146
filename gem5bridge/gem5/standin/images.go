package standin

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"microcosm/functions"
	"microcosm/images"
	"microcosm/images/isa"
)

// Imported is a function of the images that the catalog does not have.
const Imported = "fibonacci-go-imported"

// Images writes below root images of both ISAs that hold every function of the
// catalog, and Imported, and none of which could boot: what the stand-in needs.
func Images(root string) error {
	catalog, err := functions.Load()
	if err != nil {
		return err
	}
	definitions, err := imported()
	if err != nil {
		return err
	}
	for _, i := range isa.All() {
		if err := image(filepath.Join(root, i.String()), i, append(catalog.Names(), Imported), definitions); err != nil {
			return err
		}
	}
	return nil
}

// imported returns what an image's build writes of Imported.
func imported() ([]byte, error) {
	like, err := functions.Defined("fibonacci-go")
	if err != nil {
		return nil, err
	}
	text, err := like.Adopt(functions.Adoption{Name: Imported, Port: 50051, Command: []string{"/server"}})
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	file, err := w.Create(Imported + "/function.yaml")
	if err != nil {
		return nil, err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}

func image(folder string, i isa.ISA, functions []string, definitions []byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	m := images.Manifest{ISA: i, Agent: "sha256:agent", Kernel: images.Kernel{Version: "6.1"}}
	for name, part := range map[string]*images.Part{
		"vmlinux": &m.Kernel.ELF, "Image": &m.Kernel.Image, "kernel.config": &m.Kernel.Config, "disk.img": &m.Disk,
		"definitions.zip": &m.Definitions,
	} {
		text := []byte(name + " of " + i.String())
		if part == &m.Definitions {
			text = definitions
		}
		sum := sha256.Sum256(text)
		*part = images.Part{Name: name, Digest: "sha256:" + hex.EncodeToString(sum[:]), Bytes: int64(len(text))}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	for _, name := range functions {
		m.Functions = append(m.Functions, images.Part{Name: name, Digest: "sha256:" + name})
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "manifest.json"), text, 0o644)
}
