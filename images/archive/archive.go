// Package archive answers which container images a file holds, and hands out
// their configurations and layers.
//
// It reads what tools write without being told which: a tar of an OCI image
// layout (buildah, skopeo, buildx, Docker since 25) or of docker save before
// that, plain or compressed by gzip. What is taken from an archive agrees with
// the digest by which it is referred to, or there is an error; whether a layer's
// contents do is known when it has been read to its end. Nothing is unpacked
// here. What the package does not know, it refuses: media types, encrypted
// layers, layers that lie elsewhere.
package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

const (
	// maxEntries is how many files an archive may have: a few per image.
	maxEntries = 100_000
	// maxDocument is how large a manifest, an index or a configuration may be.
	maxDocument = 16 << 20
)

// ErrCorrupt is the error of an archive that is cut short or whose contents are
// not what their digests say.
var ErrCorrupt = errors.New("corrupt archive, save it again")

// Archive is an open archive. It is not safe for concurrent use.
type Archive struct {
	name   string
	file   io.ReaderAt
	close  func() error
	files  map[string]section // by clean path
	images []Entry
}

// section is where a file's contents lie in the archive.
type section struct {
	offset, size int64
	link         string // another file of the archive instead
}

// Open opens the archive at path. The error is ErrCorrupt where it is cut short.
func Open(path string) (*Archive, error) {
	a, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("open archive %s: %w", path, err)
	}
	return a, nil
}

func open(path string) (a *Archive, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("it is a directory: tar -C %s -cf FILE . makes an archive of it", path)
	}
	magic := make([]byte, 4)
	if n, _ := f.ReadAt(magic, 0); bytes.HasPrefix(magic[:n], []byte{0x1f, 0x8b}) {
		plain, err := inflate(f)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, errors.Join(err, plain.Close())
		}
		f = plain
	} else if bytes.Equal(magic[:n], []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return nil, errors.New("it is compressed by zstd: decompress it first with zstd -d")
	}
	if a, err = read(path, f); err != nil {
		return nil, err
	}
	a.close = f.Close
	return a, nil
}

// inflate returns the decompressed contents in a file without a name, since
// layers are read in an order of their own.
func inflate(f *os.File) (plain *os.File, err error) {
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	plain, err = os.CreateTemp("", "microcosm-archive-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(plain.Name()); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	if _, err := io.Copy(plain, z); err != nil {
		return nil, errors.Join(cut(err), plain.Close())
	}
	return plain, nil
}

// cut gives an error of a stream that ends early its kind.
func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, tar.ErrHeader) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// read finds the files of a tar and the images among them.
func read(name string, file io.ReaderAt) (*Archive, error) {
	a := &Archive{name: name, file: file, close: func() error { return nil }}
	if err := a.scan(); err != nil {
		return nil, err
	}
	_, layout := a.files["index.json"]
	_, saved := a.files["manifest.json"]
	var err error
	switch {
	case layout:
		err = a.readLayout()
	case saved:
		err = a.readSaved()
	default:
		err = errors.New("it holds neither index.json (OCI image layout) nor manifest.json (docker save)")
	}
	if err == nil && len(a.images) == 0 {
		err = errors.New("it holds no image")
	}
	return a, err
}

// scan notes where every file lies.
func (a *Archive) scan() error {
	counter := &position{r: io.NewSectionReader(a.file, 0, 1<<62)}
	r := tar.NewReader(counter)
	a.files = map[string]section{}
	for n := 0; ; n++ {
		header, err := r.Next()
		if err == io.EOF && n > 0 {
			return nil
		}
		if err != nil {
			if n == 0 {
				return errors.New("it is no tar file")
			}
			return cut(err)
		}
		if n == maxEntries {
			return fmt.Errorf("it has more than %d entries: it is no archive of images", maxEntries)
		}
		name := path.Clean(strings.TrimPrefix(header.Name, "/"))
		switch header.Typeflag {
		case tar.TypeReg:
			a.files[name] = section{offset: counter.at, size: header.Size}
		case tar.TypeLink:
			a.files[name] = section{link: path.Clean(header.Linkname)}
		case tar.TypeSymlink: // docker save names a layer that two images share once
			a.files[name] = section{link: path.Join(path.Dir(name), header.Linkname)}
		case tar.TypeDir, tar.TypeXGlobalHeader:
		default:
			return fmt.Errorf("entry %q has type %q, which no archive of images has", header.Name, header.Typeflag)
		}
	}
}

// position counts what was read. A tar.Reader reads no more than the header
// before it returns one.
type position struct {
	r  io.ReadSeeker
	at int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.at += int64(n)
	return n, err
}

// Seek lets the reader pass over contents.
func (p *position) Seek(offset int64, whence int) (at int64, err error) {
	p.at, err = p.r.Seek(offset, whence)
	return p.at, err
}

// section finds a file, through links.
func (a *Archive) section(name string) (*io.SectionReader, error) {
	for range 8 {
		s, ok := a.files[path.Clean(name)]
		if !ok {
			return nil, fmt.Errorf("%w: %s is missing", ErrCorrupt, name)
		}
		if s.link == "" {
			return io.NewSectionReader(a.file, s.offset, s.size), nil
		}
		name = s.link
	}
	return nil, fmt.Errorf("%w: %s is a chain of links", ErrCorrupt, name)
}

// document returns the whole of a small file.
func (a *Archive) document(name string) ([]byte, error) {
	r, err := a.section(name)
	if err != nil {
		return nil, err
	}
	if r.Size() > maxDocument {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", name, r.Size(), maxDocument)
	}
	text, err := io.ReadAll(r)
	if err == nil && int64(len(text)) != r.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cut(err))
	}
	return text, nil
}

// Close closes the archive; layers cannot be read any more.
func (a *Archive) Close() error { return a.close() }
