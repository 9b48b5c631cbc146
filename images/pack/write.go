package pack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/renameio/v2"
)

// Write packs images of one function, one per ISA, into an archive at file: an
// OCI image layout. If it is one image, docker load of any age reads it, too.
// The file appears whole or not at all. Write returns the digest of each image's
// configuration.
func Write(file string, images ...Image) ([]string, error) {
	digests, err := write(file, images)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", file, err)
	}
	return digests, nil
}

func write(file string, images []Image) (digests []string, err error) {
	var made []v1.Image
	for _, i := range images {
		m, err := i.make()
		if err != nil {
			return nil, err
		}
		made = append(made, m)
	}
	out, err := renameio.NewPendingFile(file, renameio.WithPermissions(0o644))
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Cleanup() }() // does nothing once the file is in its place
	w := &writer{tar: tar.NewWriter(out), there: map[string]bool{}}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	var saved []map[string]any
	for n, m := range made {
		d, layers, err := w.image(m)
		if err != nil {
			return nil, err
		}
		name := Name(images[n].Function)
		d.Platform = &v1.Platform{OS: "linux", Architecture: images[n].ISA.GoArch()}
		d.Annotations = map[string]string{"io.containerd.image.name": "docker.io/" + name, "org.opencontainers.image.ref.name": "latest"}
		index.Manifests = append(index.Manifests, d)
		config, err := m.ConfigName()
		if err != nil {
			return nil, err
		}
		digests = append(digests, config.String())
		saved = append(saved, map[string]any{"Config": blobPath(config), "RepoTags": []string{name}, "Layers": layers})
	}
	if err := w.finish(index, saved); err != nil {
		return nil, err
	}
	return digests, out.CloseAtomicallyReplace()
}

func blobPath(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

// writer writes an archive; a blob that two images share stands in it once.
type writer struct {
	tar   *tar.Writer
	there map[string]bool
}

func (w *writer) file(name string, size int64, contents io.Reader) error {
	if w.there[name] {
		return nil
	}
	w.there[name] = true
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: epoch, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(w.tar, contents)
	return err
}

// image writes the blobs of one image and returns its manifest's descriptor and
// where the layers are.
func (w *writer) image(m v1.Image) (d v1.Descriptor, layers []string, err error) {
	all, err := m.Layers()
	if err != nil {
		return d, nil, err
	}
	for _, l := range all {
		name, err := w.layer(l)
		if err != nil {
			return d, nil, err
		}
		layers = append(layers, name)
	}
	config, err := m.RawConfigFile()
	if err != nil {
		return d, nil, err
	}
	name, err := m.ConfigName()
	if err != nil {
		return d, nil, err
	}
	manifest, err := m.RawManifest()
	if err != nil {
		return d, nil, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(manifest))
	if err != nil {
		return d, nil, err
	}
	d = v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: size}
	return d, layers, errors.Join(
		w.file(blobPath(name), int64(len(config)), bytes.NewReader(config)),
		w.file(blobPath(digest), size, bytes.NewReader(manifest)),
	)
}

func (w *writer) layer(l v1.Layer) (name string, err error) {
	digest, err := l.Digest()
	if err != nil {
		return "", err
	}
	size, err := l.Size()
	if err != nil {
		return "", err
	}
	r, err := l.Compressed()
	if err != nil {
		return "", err
	}
	name = blobPath(digest)
	return name, errors.Join(w.file(name, size, r), r.Close())
}

func (w *writer) finish(index v1.IndexManifest, saved []map[string]any) error {
	for _, document := range []struct {
		name  string
		value any
	}{{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}}, {"index.json", index}, {"manifest.json", saved}} {
		if document.name == "manifest.json" && len(saved) > 1 {
			continue // it knows no platforms
		}
		text, err := json.Marshal(document.value)
		if err != nil {
			return err
		}
		if err := w.file(document.name, int64(len(text)), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	return w.tar.Close()
}
