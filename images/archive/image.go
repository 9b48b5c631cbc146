package archive

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"microcosm/images/isa"
)

// Entry is one image of an archive, for one platform.
type Entry struct {
	Names  []string // as written beside it; none in some archives
	OS     string
	Arch   string // as Go calls it
	Digest string // of its configuration, which names every layer: "sha256:…"

	config *v1.ConfigFile
	layers []blob
}

// blob is a layer as it lies in the archive.
type blob struct {
	path string
	size int64   // 0: not known
	hash v1.Hash // of the file; zero: not known
}

// Config returns the image's configuration, which is not to be changed.
func (e *Entry) Config() *v1.ConfigFile { return e.config }

// Platform is what the image runs on, as "linux/arm64".
func (e *Entry) Platform() string { return e.OS + "/" + e.Arch }

// String names the image: by its names, else by its digest.
func (e *Entry) String() string {
	return cmp.Or(strings.Join(e.Names, ", "), e.Digest) + " (" + e.Platform() + ")"
}

// Images returns every image, in the archive's order.
func (a *Archive) Images() []Entry { return slices.Clone(a.images) }

// Reference returns the full form of an image's name: memcached is
// index.docker.io/library/memcached:latest. What is no reference stays as it is.
func Reference(image string) string {
	ref, err := name.ParseReference(image)
	if err != nil {
		return image
	}
	return ref.Name()
}

// Named reports whether the image has that name, in whichever form.
func (e *Entry) Named(image string) bool {
	return slices.ContainsFunc(e.Names, func(n string) bool { return Reference(n) == Reference(image) })
}

// Choose returns the image for an ISA. An empty name stands for the only image
// of the archive. The error lists the images that there are.
func (a *Archive) Choose(image string, i isa.ISA) (*Entry, error) {
	var known []string
	var named, fit []*Entry
	for n := range a.images {
		e := &a.images[n]
		known = append(known, e.String())
		if image != "" && !e.Named(image) {
			continue
		}
		named = append(named, e)
		if e.OS == "linux" && e.Arch == i.GoArch() {
			fit = append(fit, e)
		}
	}
	list := strings.Join(known, "; ")
	switch {
	case len(named) == 0:
		return nil, fmt.Errorf("%s holds no image %s; it holds %s", a.name, image, list)
	case len(fit) == 0:
		return nil, fmt.Errorf("%s holds no image for %s (linux/%s); it holds %s: save the one for that platform, or import for another ISA", a.name, i, i.GoArch(), list)
	case len(fit) > 1:
		return nil, fmt.Errorf("%s holds several images for %s: name with --image one of %s", a.name, i, list)
	}
	return fit[0], nil
}

// Layer is one layer of an image.
type Layer struct {
	DiffID  string // digest of its contents: "sha256:…"
	archive *Archive
	blob    blob
}

// Layers returns the image's layers, the lowest first.
func (a *Archive) Layers(e *Entry) []Layer {
	layers := make([]Layer, len(e.layers))
	for i, b := range e.layers {
		layers[i] = Layer{e.config.RootFS.DiffIDs[i].String(), a, b}
	}
	return layers
}

// Open returns the layer's contents, a tar. Reading to the end fails with
// ErrCorrupt where they are not what DiffID says.
func (l Layer) Open() (io.ReadCloser, error) {
	layer, err := partial.CompressedToLayer(file{l.archive, l.blob})
	if err != nil {
		return nil, err
	}
	r, err := layer.Uncompressed()
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.DiffID, cut(err))
	}
	return &checked{r: r, want: l.DiffID, sum: sha256.New()}, nil
}

// checked compares what was read with a digest at the end.
type checked struct {
	r    io.ReadCloser
	want string
	sum  hash.Hash
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	switch got := ""; {
	case err == nil:
	case errors.Is(err, io.EOF):
		if got = "sha256:" + hex.EncodeToString(c.sum.Sum(nil)); got != c.want {
			return n, fmt.Errorf("%w: layer %s holds %s", ErrCorrupt, c.want, got)
		}
	default: // of whichever decompressor
		return n, fmt.Errorf("%w: layer %s: %w", ErrCorrupt, c.want, err)
	}
	return n, err
}

func (c *checked) Close() error { return c.r.Close() }
