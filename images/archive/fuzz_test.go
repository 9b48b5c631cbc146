package archive_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/archive"
	at "microcosm/images/archive/archivetest"
	"microcosm/images/isa"
)

func errorIsCorrupt(err error) bool { return errors.Is(err, archive.ErrCorrupt) }

// FuzzOpen reads whatever may be given as an archive: it never panics, and a layer
// that can be read to its end is what its digest says.
func FuzzOpen(f *testing.F) {
	f.Add(at.Save(f, hello("amd64")))
	f.Add(at.Layout(f, nil, hello("amd64"), hello("arm64")))
	f.Add(at.Layout(f, nested, hello("arm64")))
	f.Add(at.Gzip(f, at.Save(f, hello("amd64"))))
	f.Fuzz(func(t *testing.T, file []byte) {
		a, err := archive.Open(at.Write(t, file))
		if err != nil {
			return
		}
		defer func() { require.NoError(t, a.Close()) }()
		for _, i := range isa.All() {
			e, err := a.Choose("", i)
			if err != nil {
				continue
			}
			for _, l := range a.Layers(e) {
				r, err := l.Open()
				if err != nil {
					continue
				}
				text, err := io.ReadAll(io.LimitReader(r, 1<<20))
				if err == nil && len(text) < 1<<20 {
					require.Equal(t, l.DiffID, at.Digest(text))
				}
				require.NoError(t, r.Close())
			}
		}
	})
}
