package archive_test

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/archive"
	at "microcosm/images/archive/archivetest"
	"microcosm/images/isa"
)

// tiny is an image in an archive of few bytes.
func tiny() at.Image {
	return at.Image{Name: "t:1", Arch: "amd64", Config: map[string]any{"Cmd": []string{"/t"}}, Layers: [][]at.Entry{{at.File("t", "tiny", 0o755)}}}
}

// outcome is what can be read of an archive's only image: its layers, or why not.
func outcome(t *testing.T, file []byte) (layers []string, err error) {
	t.Helper()
	a, err := archive.Open(at.Write(t, file))
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(t, a.Close()) }()
	return contents(t, a, "", isa.X86)
}

// TestAnArchiveThatIsCutIsNeverTakenForAnother: any beginning of an archive is an
// error, or holds the image as it was.
func TestAnArchiveThatIsCutIsNeverTakenForAnother(t *testing.T) {
	t.Parallel()
	for form, file := range map[string][]byte{
		"docker save": at.Save(t, tiny()), "an OCI layout": at.Layout(t, nil, tiny()), "gzipped": at.Gzip(t, at.Save(t, tiny())),
	} {
		want, err := outcome(t, file)
		require.NoError(t, err, form)
		whole := 0
		for n := 0; n < len(file); n += 1 + len(file)/100 {
			got, err := outcome(t, file[:n])
			if err == nil {
				require.Equal(t, want, got, "%s, cut after %d bytes", form, n)
				whole++
			}
		}
		require.Less(t, whole, 40, "%s: only the empty blocks at its end may go", form)
	}
}

// TestAFlippedByteIsNeverTakenForAnotherImage flips bytes all over an archive.
func TestAFlippedByteIsNeverTakenForAnotherImage(t *testing.T) {
	t.Parallel()
	for form, file := range map[string][]byte{"docker save": at.Save(t, tiny()), "an OCI layout": at.Layout(t, nil, tiny())} {
		want, err := outcome(t, file)
		require.NoError(t, err, form)
		for n := 0; n < len(file); n += 41 {
			changed := append([]byte(nil), file...)
			changed[n] ^= 0x20
			if got, err := outcome(t, changed); err == nil {
				require.Equal(t, want, got, "%s, byte %d", form, n)
			}
		}
	}
}

// TestASparseFileIsNotTakenForItsBlocks: GNU tar writes only what is not zero, so
// what lies in the archive is not what the file holds.
func TestASparseFileIsNotTakenForItsBlocks(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"gnu", "posix"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "whole.tar"), at.Save(t, tiny()), 0o600))
		list, err := exec.Command("tar", "-C", dir, "-xvf", filepath.Join(dir, "whole.tar")).CombinedOutput()
		if err != nil {
			t.Skipf("skipped: no tar here: %v", err)
		}
		for _, name := range strings.Fields(string(list)) { // a hole before what matters
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			f, err := os.Create(filepath.Join(dir, name))
			require.NoError(t, err)
			require.NoError(t, f.Truncate(1<<20))
			_, err = f.WriteAt(text, 1<<20)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		out := filepath.Join(dir, "sparse.tar")
		text, err := exec.Command("tar", append([]string{"-C", dir, "--format=" + format, "--sparse", "-cf", out}, strings.Fields(string(list))...)...).CombinedOutput()
		require.NoError(t, err, "%s", text)
		info, err := os.Stat(out)
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(1<<20), "%s: the holes are left out", format)
		_, err = archive.Open(out)
		require.ErrorContains(t, err, "open archive "+out+": ", format)
	}
}

func TestHugeHeadersAndDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2<<20)
	for situation, c := range map[string]struct {
		file []byte
		err  string
	}{
		"a name of two mebibytes":         {special(t, 'L', long), "header field too long"},
		"a link's target as long":         {special(t, 'K', long), "header field too long"},
		"extended attributes as long":     {special(t, 'x', long), "header field too long"},
		"a manifest beyond any":           {at.Tar(t, at.File("manifest.json", strings.Repeat(" ", 16<<20+1), 0o644)), "manifest.json has 16777217 bytes, at most 16777216 are read"},
		"a manifest of an endless chain":  {at.Tar(t, chain(9)...), "is a chain of links"},
		"an index within five of its own": {at.Layout(t, deep(5), tiny()), "indexes are nested deeper than 4"},
	} {
		_, err := archive.Open(at.Write(t, c.file))
		require.ErrorContains(t, err, c.err, situation)
	}
	_, err := outcome(t, at.Layout(t, deep(3), tiny()))
	require.NoError(t, err, "what tools write is not that deep")
}

// special is a tar whose second entry is a header of a kind that says more about the
// next one.
func special(t *testing.T, kind byte, text string) []byte {
	t.Helper()
	file := at.Tar(t, at.File("a", "", 0o644), at.File("b", text, 0o644), at.File("manifest.json", "[]", 0o644))
	header := file[512:1024]
	header[156] = kind
	copy(header[148:156], "        ") // the sum is taken over blanks in its own place
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return file
}

// chain is a manifest.json behind n links.
func chain(n int) []at.Entry {
	entries := []at.Entry{at.Link("manifest.json", "0")}
	for i := range n {
		entries = append(entries, at.Link(fmt.Sprint(i), fmt.Sprint(i+1)))
	}
	return append(entries, at.File(fmt.Sprint(n), "[]", 0o644))
}

// deep puts the manifests into indexes within each other.
func deep(n int) func(*at.LayoutParts) {
	return func(p *at.LayoutParts) {
		for range n {
			text, _ := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": p.Manifests})
			p.Manifests = []map[string]any{p.Add("application/vnd.oci.image.index.v1+json", text)}
		}
	}
}

// TestALayerThatTwoImagesShareStandsThereOnce: docker save wrote a link in place of
// the second.
func TestALayerThatTwoImagesShareStandsThereOnce(t *testing.T) {
	t.Parallel()
	one, two := tiny(), tiny()
	two.Name, two.Config = "u:1", map[string]any{"Cmd": []string{"/u"}}
	for kind, link := range map[string]at.Entry{"symbolic": at.Link("1-0/layer.tar", "../0-0/layer.tar"), "hard": at.Hard("1-0/layer.tar", "0-0/layer.tar")} {
		var entries []at.Entry
		for _, e := range entriesOf(t, at.Save(t, one, two)) {
			if e.Name == link.Name {
				e = link
			}
			entries = append(entries, e)
		}
		a, err := archive.Open(at.Write(t, at.Tar(t, entries...)))
		require.NoError(t, err, kind)
		first, err := contents(t, a, "t:1", isa.X86)
		require.NoError(t, err, kind)
		second, err := contents(t, a, "u:1", isa.X86)
		require.NoError(t, err, kind)
		require.Equal(t, first, second, kind)
		require.NoError(t, a.Close())
	}
}

func TestTheLastOfTwoFilesOfOneNameCounts(t *testing.T) {
	t.Parallel()
	entries := entriesOf(t, at.Save(t, tiny()))
	entries = append([]at.Entry{at.File("manifest.json", "{", 0o644)}, entries...)
	got, err := outcome(t, at.Tar(t, entries...))
	require.NoError(t, err, "as tar itself unpacks it")
	require.Len(t, got, 1)
	entries = append(entries, at.File("./manifest.json", "{", 0o644))
	_, err = outcome(t, at.Tar(t, entries...))
	require.ErrorIs(t, err, archive.ErrCorrupt)
}

func TestImagesThatCannotBe(t *testing.T) {
	t.Parallel()
	config := func(text string) []byte {
		return at.Tar(t, at.File(at.Digest([]byte(text))[7:], text, 0o644), at.File("manifest.json", fmt.Sprintf(`[{"Config":%q}]`, at.Digest([]byte(text))[7:]), 0o644))
	}
	for situation, c := range map[string]struct {
		file []byte
		err  string
	}{
		"a root of another kind":       {config(`{"rootfs":{"type":"vm"}}`), `a root of type "vm" is not known here`},
		"a layer by another digest":    {config(`{"rootfs":{"type":"layers","diff_ids":["sha512:00"]}}`), "configuration sha256:"},
		"a configuration that is none": {config(`[]`), "configuration sha256:"},
		"a layer that is not there":    {at.Tar(t, append(entriesOf(t, at.Save(t, tiny()))[:1], entriesOf(t, at.Save(t, tiny()))[2])...), "0-0/layer.tar is missing"},
		"a configuration that is not":  {at.Tar(t, at.File("manifest.json", `[{"Config":"none.json"}]`, 0o644)), "none.json is missing"},
		"no images in a list":          {at.Tar(t, at.File("manifest.json", `[]`, 0o644)), "it holds no image"},
		"a list that is an object":     {at.Tar(t, at.File("manifest.json", `{}`, 0o644)), "manifest.json"},
		"a pipe":                       {at.Tar(t, at.Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "p"}}), "which no archive of images has"},
		"a nested index that is no JSON": {at.Layout(t, func(p *at.LayoutParts) {
			p.Manifests[0] = p.Add("application/vnd.oci.image.index.v1+json", []byte("{"))
		}, tiny()), "corrupt archive, save it again: index sha256:"},
		"a manifest that is no JSON": {at.Layout(t, func(p *at.LayoutParts) {
			p.Manifests[0] = p.Add("application/vnd.oci.image.manifest.v1+json", []byte("{"))
		}, tiny()), "corrupt archive, save it again: manifest sha256:"},
	} {
		_, err := archive.Open(at.Write(t, c.file))
		require.ErrorContains(t, err, c.err, situation)
	}
}

func TestEveryMistakeOfAnIndexIsNamed(t *testing.T) {
	t.Parallel()
	other := tiny()
	other.Name, other.Arch = "u:1", "arm64"
	file := at.Layout(t, func(p *at.LayoutParts) {
		for _, m := range p.Manifests {
			m["mediaType"] = "text/" + m["platform"].(map[string]string)["architecture"]
		}
	}, tiny(), other)
	_, err := archive.Open(at.Write(t, file))
	require.ErrorContains(t, err, `media type "text/amd64"`)
	require.ErrorContains(t, err, `media type "text/arm64"`)
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"memcached":                  "index.docker.io/library/memcached:latest",
		"docker.io/library/a:1":      "index.docker.io/library/a:1",
		"vhiveease/aes-go":           "index.docker.io/vhiveease/aes-go:latest",
		"ghcr.io/a/b:2":              "ghcr.io/a/b:2",
		"localhost:5000/a":           "localhost:5000/a:latest",
		"No Reference":               "No Reference",
		"a@sha256:" + zeros(64):      "index.docker.io/library/a@sha256:" + zeros(64),
		"docker.io/vhiveease/x:tag1": "index.docker.io/vhiveease/x:tag1",
	} {
		require.Equal(t, want, archive.Reference(image))
		require.Equal(t, want, archive.Reference(want), "a full name stays")
	}
	require.True(t, (&archive.Entry{Names: []string{"a:1", "b"}}).Named("docker.io/library/b:latest"))
	require.False(t, (&archive.Entry{Names: []string{"a:1"}}).Named("a"))
	require.Equal(t, "sha256:x (linux/arm64)", (&archive.Entry{Digest: "sha256:x", OS: "linux", Arch: "arm64"}).String())
}

func zeros(n int) string { return strings.Repeat("0", n) }
