package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Annotations that give an image its name.
const (
	nameAnnotation = "io.containerd.image.name"
	refAnnotation  = "org.opencontainers.image.ref.name"
)

// indexDepth is how deep indexes of indexes may go.
const indexDepth = 4

// readLayout reads an OCI image layout (image-spec, image-layout.md).
func (a *Archive) readLayout() error {
	text, err := a.document("index.json")
	if err != nil {
		return err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: index.json: %w", ErrCorrupt, err)
	}
	return a.readIndex(index, nil, 0)
}

func (a *Archive) readIndex(index *v1.IndexManifest, names []string, depth int) error {
	if depth == indexDepth {
		return fmt.Errorf("indexes are nested deeper than %d", indexDepth)
	}
	var errs []error
	for _, d := range index.Manifests {
		if d.Platform != nil && d.Platform.OS == "unknown" {
			continue // an attestation of buildx's, not an image
		}
		own := names
		for _, key := range []string{nameAnnotation, refAnnotation} {
			if n := d.Annotations[key]; n != "" {
				own = []string{n}
				break
			}
		}
		var err error
		switch {
		case d.MediaType.IsIndex():
			err = a.readNested(d, own, depth)
		case d.MediaType == types.OCIManifestSchema1 || d.MediaType == types.DockerManifestSchema2:
			err = a.readManifest(d, own)
		default:
			err = fmt.Errorf("manifest %s has the media type %q, which is not known here", d.Digest, d.MediaType)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (a *Archive) readNested(d v1.Descriptor, names []string, depth int) error {
	text, err := a.blob(d.Digest)
	if err != nil {
		return err
	}
	nested, err := v1.ParseIndexManifest(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: index %s: %w", ErrCorrupt, d.Digest, err)
	}
	return a.readIndex(nested, names, depth+1)
}

// blobPath is where a blob lies in a layout.
func blobPath(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

// blob returns a small blob that is what its digest says.
func (a *Archive) blob(h v1.Hash) ([]byte, error) {
	text, err := a.document(blobPath(h))
	if err != nil {
		return nil, err
	}
	return text, agrees(text, h)
}

func agrees(text []byte, h v1.Hash) error {
	if got := fmt.Sprintf("%x", sha256.Sum256(text)); h.Algorithm != "sha256" || got != h.Hex {
		return fmt.Errorf("%w: blob %s holds sha256:%s", ErrCorrupt, h, got)
	}
	return nil
}

func (a *Archive) readManifest(d v1.Descriptor, names []string) error {
	text, err := a.blob(d.Digest)
	if err != nil {
		return err
	}
	m, err := v1.ParseManifest(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: manifest %s: %w", ErrCorrupt, d.Digest, err)
	}
	if m.Config.MediaType != types.OCIConfigJSON && m.Config.MediaType != types.DockerConfigJSON {
		return fmt.Errorf("manifest %s describes no container image but a %q", d.Digest, m.Config.MediaType)
	}
	config, err := a.blob(m.Config.Digest)
	if err != nil {
		return err
	}
	var layers []blob
	for _, l := range m.Layers {
		if err := a.readable(l); err != nil {
			return fmt.Errorf("manifest %s: %w", d.Digest, err)
		}
		layers = append(layers, blob{blobPath(l.Digest), l.Size, l.Digest})
	}
	return a.add(config, m.Config.Digest, names, layers)
}

// readable returns why a layer cannot be read.
func (a *Archive) readable(l v1.Descriptor) error {
	switch l.MediaType {
	case types.OCILayer, types.OCILayerZStd, types.OCIUncompressedLayer, types.DockerLayer, types.DockerUncompressedLayer:
	default:
		return fmt.Errorf("layer %s has the media type %q, which is not known here", l.Digest, l.MediaType)
	}
	if len(l.URLs) > 0 {
		return fmt.Errorf("layer %s lies elsewhere, at %s: save the image with its layers", l.Digest, l.URLs[0])
	}
	r, err := a.section(blobPath(l.Digest))
	if err != nil {
		return err
	}
	if r.Size() != l.Size {
		return fmt.Errorf("%w: layer %s has %d bytes, its manifest says %d", ErrCorrupt, l.Digest, r.Size(), l.Size)
	}
	return nil
}

// saved is an entry of docker save's manifest.json.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// readSaved reads what docker save wrote before it wrote OCI layouts. A
// configuration is named by its digest there.
func (a *Archive) readSaved() error {
	text, err := a.document("manifest.json")
	if err != nil {
		return err
	}
	var list []saved
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("%w: manifest.json: %w", ErrCorrupt, err)
	}
	for _, image := range list {
		config, err := a.document(image.Config)
		if err != nil {
			return err
		}
		digest, _, err := v1.SHA256(bytes.NewReader(config))
		if err != nil {
			return err
		}
		if base := path.Base(image.Config); base != digest.Hex && base != digest.Hex+".json" {
			return fmt.Errorf("%w: configuration %s holds %s", ErrCorrupt, image.Config, digest)
		}
		var layers []blob
		for _, file := range image.Layers {
			if _, err := a.section(file); err != nil {
				return err
			}
			layers = append(layers, blob{path: file})
		}
		if err := a.add(config, digest, image.RepoTags, layers); err != nil {
			return err
		}
	}
	return nil
}

// add notes an image whose parts are all there.
func (a *Archive) add(text []byte, digest v1.Hash, names []string, layers []blob) error {
	config, err := v1.ParseConfigFile(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: configuration %s: %w", ErrCorrupt, digest, err)
	}
	if kind := config.RootFS.Type; kind != "" && kind != "layers" {
		return fmt.Errorf("configuration %s: a root of type %q is not known here", digest, kind)
	}
	if got, want := len(layers), len(config.RootFS.DiffIDs); got != want {
		return fmt.Errorf("%w: image %s has %d layers, its configuration says %d", ErrCorrupt, digest, got, want)
	}
	for _, id := range config.RootFS.DiffIDs {
		if id.Algorithm != "sha256" {
			return fmt.Errorf("configuration %s: layer %s has no sha256 digest", digest, id)
		}
	}
	a.images = append(a.images, Entry{
		Names: names, OS: config.OS, Arch: config.Architecture, Digest: digest.String(), config: config, layers: layers,
	})
	return nil
}

// file is a layer's blob as the library wants it.
type file struct {
	archive *Archive
	blob
}

// Digest implements partial.CompressedLayer.
func (f file) Digest() (v1.Hash, error) { return f.hash, nil }

// Size implements partial.CompressedLayer.
func (f file) Size() (int64, error) { return f.size, nil }

// MediaType implements partial.CompressedLayer.
func (f file) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed implements partial.CompressedLayer.
func (f file) Compressed() (io.ReadCloser, error) {
	r, err := f.archive.section(f.path)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(r), nil
}
