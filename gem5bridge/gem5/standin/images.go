package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"microcosm/functions"
	"microcosm/images"
	"microcosm/images/isa"
)

// Images writes below root images of both ISAs that hold every function of the
// catalog and none of which could boot: what the stand-in needs.
func Images(root string) error {
	catalog, err := functions.Load()
	if err != nil {
		return err
	}
	for _, i := range isa.All() {
		if err := image(filepath.Join(root, i.String()), i, catalog.Names()); err != nil {
			return err
		}
	}
	return nil
}

func image(folder string, i isa.ISA, functions []string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	m := images.Manifest{ISA: i, Agent: "sha256:agent", Kernel: images.Kernel{Version: "6.1"}}
	for name, part := range map[string]*images.Part{
		"vmlinux": &m.Kernel.ELF, "Image": &m.Kernel.Image, "kernel.config": &m.Kernel.Config, "disk.img": &m.Disk,
	} {
		text := []byte(name + " of " + i.String())
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
