// Package archivetest makes container images and archives of them for tests, in
// every form that tools write. It is strict about nothing, so that it can make
// wrong ones, too.
package archivetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Entry is a tar header with contents.
type Entry struct {
	tar.Header
	Contents string
}

// File is a regular file.
func File(name, contents string, mode int64) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, contents}
}

// Dir is a directory.
func Dir(name string, mode int64) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}}
}

// Link is a symbolic link.
func Link(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

// Hard is a hard link.
func Hard(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}}
}

// Gone is a whiteout.
func Gone(name string) Entry {
	return File(filepath.Join(filepath.Dir(name), ".wh."+filepath.Base(name)), "", 0)
}

// Opaque is the whiteout of all that a directory held.
func Opaque(dir string) Entry { return File(dir+"/.wh..wh..opq", "", 0) }

// Tar returns a tar of entries.
func Tar(t testing.TB, entries ...Entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.Typeflag == tar.TypeReg {
			e.Size = int64(len(e.Contents))
		}
		require.NoError(t, w.WriteHeader(&e.Header))
		_, err := w.Write([]byte(e.Contents))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// Gzip compresses.
func Gzip(t testing.TB, plain []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(plain)
	require.NoError(t, errorOf(err, w.Close()))
	return b.Bytes()
}

func errorOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Image is a container image.
type Image struct {
	Name, OS, Arch string
	Config         map[string]any // as {"Entrypoint": ["/f"]}
	Layers         [][]Entry
}

// config returns the configuration of an image with these contents.
func (i Image) config(t testing.TB, layers [][]byte) []byte {
	ids := []string{}
	for _, l := range layers {
		ids = append(ids, Digest(l))
	}
	os := i.OS
	if os == "" {
		os = "linux"
	}
	return marshal(t, map[string]any{
		"os": os, "architecture": i.Arch, "config": i.Config, "rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
}

func (i Image) tars(t testing.TB) (layers [][]byte) {
	for _, entries := range i.Layers {
		layers = append(layers, Tar(t, entries...))
	}
	return layers
}

// Digest is "sha256:…".
func Digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func marshal(t testing.TB, value any) []byte {
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return text
}

// Save is what docker save wrote before it wrote layouts.
func Save(t testing.TB, images ...Image) []byte {
	var entries []Entry
	var manifest []map[string]any
	for n, i := range images {
		tars := i.tars(t)
		config := i.config(t, tars)
		name := Digest(config)[len("sha256:"):] + ".json"
		entries = append(entries, File(name, string(config), 0o644))
		var files []string
		for m, l := range tars {
			file := fmt.Sprintf("%d-%d/layer.tar", n, m)
			files = append(files, file)
			entries = append(entries, File(file, string(l), 0o644))
		}
		var tags []string
		if i.Name != "" {
			tags = []string{i.Name}
		}
		manifest = append(manifest, map[string]any{"Config": name, "RepoTags": tags, "Layers": files})
	}
	return Tar(t, append(entries, File("manifest.json", string(marshal(t, manifest)), 0o644))...)
}

// Layout is an OCI image layout. Edit may change it before it is written; nil
// changes nothing.
func Layout(t testing.TB, edit func(*LayoutParts), images ...Image) []byte {
	p := &LayoutParts{Blobs: map[string][]byte{}}
	for _, i := range images {
		tars := i.tars(t)
		config := i.config(t, tars)
		var layers []map[string]any
		for _, l := range tars {
			layers = append(layers, p.Add("application/vnd.oci.image.layer.v1.tar+gzip", Gzip(t, l)))
		}
		manifest := map[string]any{
			"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
			"config": p.Add("application/vnd.oci.image.config.v1+json", config), "layers": layers,
		}
		d := p.Add("application/vnd.oci.image.manifest.v1+json", marshal(t, manifest))
		d["annotations"] = map[string]string{"io.containerd.image.name": i.Name}
		d["platform"] = map[string]string{"os": "linux", "architecture": i.Arch}
		p.Manifests = append(p.Manifests, d)
	}
	if edit != nil {
		edit(p)
	}
	entries := []Entry{
		File("oci-layout", `{"imageLayoutVersion":"1.0.0"}`, 0o644),
		File("index.json", string(marshal(t, map[string]any{"schemaVersion": 2, "manifests": p.Manifests})), 0o644),
	}
	for _, digest := range slices.Sorted(maps.Keys(p.Blobs)) {
		entries = append(entries, File("blobs/sha256/"+digest[len("sha256:"):], string(p.Blobs[digest]), 0o644))
	}
	return Tar(t, entries...)
}

// LayoutParts is a layout before it is written.
type LayoutParts struct {
	Blobs     map[string][]byte // by digest
	Manifests []map[string]any  // of index.json
}

// Add adds a blob and returns its descriptor.
func (p *LayoutParts) Add(mediaType string, blob []byte) map[string]any {
	p.Blobs[Digest(blob)] = blob
	return map[string]any{"mediaType": mediaType, "digest": Digest(blob), "size": len(blob)}
}

// Write writes an archive into the test's own directory.
func Write(t testing.TB, archive []byte) string {
	file := filepath.Join(t.TempDir(), "image.tar")
	require.NoError(t, os.WriteFile(file, archive, 0o644))
	return file
}

// Program is an ELF file for a GOARCH that has no code.
func Program(arch string) string {
	h := make([]byte, 64)
	copy(h, "\x7fELF\x02\x01\x01") // 64 bits, little-endian, version 1
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	binary.LittleEndian.PutUint16(h[16:], uint16(elf.ET_EXEC))
	binary.LittleEndian.PutUint16(h[18:], uint16(machine))
	binary.LittleEndian.PutUint32(h[20:], 1)
	binary.LittleEndian.PutUint16(h[52:], 64) // sizes of the header and of a section's
	binary.LittleEndian.PutUint16(h[58:], 64)
	return string(h)
}
