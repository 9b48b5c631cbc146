package archive_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/archive"
	at "microcosm/images/archive/archivetest"
	"microcosm/images/isa"
)

func hello(arch string) at.Image {
	return at.Image{Name: "docker.io/library/hello:1", Arch: arch, Config: map[string]any{"Entrypoint": []string{"/hello"}}, Layers: [][]at.Entry{
		{at.File("hello", "program", 0o755)}, {at.File("etc/note", "two", 0o644)},
	}}
}

// contents reads the layers of the archive's image for the ISA.
func contents(t testing.TB, a *archive.Archive, name string, i isa.ISA) (read []string, err error) {
	e, err := a.Choose(name, i)
	if err != nil {
		return nil, err
	}
	for _, l := range a.Layers(e) {
		r, err := l.Open()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(r)
		require.NoError(t, r.Close())
		if err != nil {
			return nil, err
		}
		read = append(read, string(text))
	}
	return read, nil
}

func TestEveryFormOfAnArchiveHoldsTheSameImage(t *testing.T) {
	t.Parallel()
	image := hello("amd64")
	var want []string
	for _, l := range image.Layers {
		want = append(want, string(at.Tar(t, l...)))
	}
	layout := at.Layout(t, nil, image)
	for situation, file := range map[string][]byte{
		"an OCI layout":          layout,
		"docker save":            at.Save(t, image),
		"docker save, gzipped":   at.Gzip(t, at.Save(t, image)),
		"an OCI layout, gzipped": at.Gzip(t, layout),
		"an index of indexes, with buildx's attestation": at.Layout(t, nested, image),
		"layers that are not compressed":                 at.Layout(t, inflated(t, image), image),
		"names that begin with ./":                       prefixed(t, layout, "./"),
	} {
		a, err := archive.Open(at.Write(t, file))
		require.NoError(t, err, situation)
		require.Len(t, a.Images(), 1, situation)
		require.Equal(t, []string{"docker.io/library/hello:1"}, a.Images()[0].Names, situation)
		require.Equal(t, "linux/amd64", a.Images()[0].Platform(), situation)
		read, err := contents(t, a, "hello:1", isa.X86)
		require.NoError(t, err, situation)
		require.Equal(t, want, read, situation)
		require.Equal(t, []string{"/hello"}, a.Images()[0].Config().Config.Entrypoint, situation)
		require.NoError(t, a.Close(), situation)
	}
}

func nested(p *at.LayoutParts) {
	p.Manifests = append(p.Manifests, map[string]any{
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": at.Digest(nil), "size": 0,
		"platform": map[string]string{"os": "unknown", "architecture": "unknown"},
	})
	inner := map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": p.Manifests}
	text, _ := json.Marshal(inner)
	d := p.Add("application/vnd.oci.image.index.v1+json", text)
	d["annotations"] = map[string]string{"org.opencontainers.image.ref.name": "unused"}
	p.Manifests = []map[string]any{d}
}

// inflated takes the compression off the layers.
func inflated(t testing.TB, image at.Image) func(*at.LayoutParts) {
	return func(p *at.LayoutParts) {
		edit(t, p, func(m map[string]any) {
			var layers []any
			for _, l := range image.Layers {
				layers = append(layers, p.Add("application/vnd.oci.image.layer.v1.tar", at.Tar(t, l...)))
			}
			m["layers"] = layers
		})
	}
}

// edit changes the only manifest.
func edit(t testing.TB, p *at.LayoutParts, change func(map[string]any)) {
	old := p.Manifests[0]
	var m map[string]any
	require.NoError(t, json.Unmarshal(p.Blobs[old["digest"].(string)], &m))
	change(m)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	d := p.Add("application/vnd.oci.image.manifest.v1+json", text)
	d["annotations"], d["platform"] = old["annotations"], old["platform"]
	p.Manifests = []map[string]any{d}
}

func prefixed(t testing.TB, file []byte, prefix string) []byte {
	entries := entriesOf(t, file)
	for i := range entries {
		entries[i].Name = prefix + entries[i].Name
	}
	return at.Tar(t, entries...)
}

// entriesOf are the files of a tar.
func entriesOf(t testing.TB, file []byte) (entries []at.Entry) {
	r := tar.NewReader(bytes.NewReader(file))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		entries = append(entries, at.File(header.Name, string(text), 0o644))
	}
}

func TestImagesAreChosenByNameAndISA(t *testing.T) {
	t.Parallel()
	other := hello("amd64")
	other.Name, other.Layers = "example.org/other", other.Layers[:1]
	a, err := archive.Open(at.Write(t, at.Save(t, hello("amd64"), hello("arm64"), other)))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	for situation, c := range map[string]struct {
		name string
		isa  isa.ISA
		arch string
		err  string
	}{
		"the full name":              {"index.docker.io/library/hello:1", isa.X86, "amd64", ""},
		"the short name":             {"hello:1", isa.Arm, "arm64", ""},
		"latest, since nothing said": {"example.org/other:latest", isa.X86, "amd64", ""},
		"no name, one that fits":     {"", isa.Arm, "arm64", ""},
		"no name, two that fit":      {"", isa.X86, "", "holds several images for x86_64: name with --image one of"},
		"another version":            {"hello:2", isa.X86, "", "holds no image hello:2; it holds docker.io/library/hello:1 (linux/amd64); docker.io/library/hello:1 (linux/arm64)"},
		"not for this ISA":           {"example.org/other", isa.Arm, "", "holds no image for arm64 (linux/arm64)"},
	} {
		e, err := a.Choose(c.name, c.isa)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, situation)
			continue
		}
		require.NoError(t, err, situation)
		require.Equal(t, c.arch, e.Arch, situation)
	}
}

func TestWhatIsNoGoodArchiveIsRefused(t *testing.T) {
	t.Parallel()
	layout := func(edit func(*at.LayoutParts)) []byte { return at.Layout(t, edit, hello("amd64")) }
	change := func(f func(map[string]any)) []byte {
		return layout(func(p *at.LayoutParts) { edit(t, p, f) })
	}
	layer := func(f func(map[string]any)) []byte {
		return change(func(m map[string]any) { f(m["layers"].([]any)[0].(map[string]any)) })
	}
	whole := layout(nil)
	for situation, c := range map[string]struct {
		file    []byte
		corrupt bool
		err     string
	}{
		"empty":         {nil, false, "it is no tar file"},
		"text":          {[]byte(strings.Repeat("hello ", 500)), false, "it is no tar file"},
		"zstd":          {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0}, false, "zstd -d"},
		"another tar":   {at.Tar(t, at.File("a", "b", 0o644)), false, "neither index.json"},
		"cut short":     {whole[:len(whole)/2+7], true, ""},
		"gzip cut":      {at.Gzip(t, whole)[:500], true, "unexpected EOF"},
		"no image":      {layout(func(p *at.LayoutParts) { p.Manifests = nil }), false, "it holds no image"},
		"no JSON":       {at.Tar(t, at.File("index.json", "{", 0o644)), true, "index.json"},
		"no JSON saved": {at.Tar(t, at.File("manifest.json", "{", 0o644)), true, "manifest.json"},
		"a device":      {at.Tar(t, at.Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "d"}}), false, "which no archive of images has"},
		"a blob that is missing": {layout(func(p *at.LayoutParts) {
			delete(p.Blobs, p.Manifests[0]["digest"].(string))
		}), true, "is missing"},
		"a blob that is another": {layout(func(p *at.LayoutParts) {
			d := p.Manifests[0]["digest"].(string)
			p.Blobs[d] = append(p.Blobs[d], ' ')
		}), true, "holds sha256:"},
		"another kind of manifest": {layout(func(p *at.LayoutParts) { p.Manifests[0]["mediaType"] = "text/html" }), false, `media type "text/html"`},
		"an artifact":              {change(func(m map[string]any) { m["config"].(map[string]any)["mediaType"] = "x/y" }), false, `no container image but a "x/y"`},
		"an encrypted layer": {layer(func(l map[string]any) {
			l["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
		}), false, "which is not known here"},
		"a layer elsewhere":       {layer(func(l map[string]any) { l["urls"] = []string{"https://x/y"} }), false, "lies elsewhere, at https://x/y"},
		"a layer of another size": {layer(func(l map[string]any) { l["size"] = 5 }), true, "its manifest says 5"},
		"a layer too many":        {change(func(m map[string]any) { m["layers"] = append(m["layers"].([]any), m["layers"].([]any)[0]) }), true, "its configuration says 2"},
		"links in a circle":       {at.Tar(t, at.Link("manifest.json", "b"), at.Link("b", "manifest.json")), true, "is a chain of links"},
		"a saved configuration under a false name": {at.Tar(t, at.File("c.json", "{}", 0o644),
			at.File("manifest.json", `[{"Config":"c.json"}]`, 0o644)), true, "configuration c.json holds"},
	} {
		_, err := archive.Open(at.Write(t, c.file))
		require.ErrorContains(t, err, c.err, situation)
		require.Equal(t, c.corrupt, errorIsCorrupt(err), "%s: %v", situation, err)
	}
	_, err := archive.Open(t.TempDir())
	require.ErrorContains(t, err, "tar -C")
	_, err = archive.Open("missing.tar")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAFlippedBitInALayerIsFound(t *testing.T) {
	t.Parallel()
	image := hello("amd64")
	for situation, flip := range map[string]func([]byte) []byte{
		"a saved layer": func([]byte) []byte {
			file := at.Save(t, image)
			return bytes.Replace(file, []byte("program"), []byte("pRogram"), 1)
		},
		"a compressed layer": func([]byte) []byte {
			return at.Layout(t, func(p *at.LayoutParts) {
				for d, blob := range p.Blobs {
					if bytes.HasPrefix(blob, []byte{0x1f, 0x8b}) {
						blob = bytes.Clone(blob)
						blob[len(blob)/2] ^= 4
						p.Blobs[d] = blob
					}
				}
			}, image)
		},
	} {
		a, err := archive.Open(at.Write(t, flip(nil)))
		require.NoError(t, err, situation)
		_, err = contents(t, a, "", isa.X86)
		require.ErrorIs(t, err, archive.ErrCorrupt, situation)
		require.NoError(t, a.Close())
	}
}
