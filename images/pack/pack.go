// Package pack writes a function as a container image: an archive that Docker,
// Podman and containerd load, and that images/imported takes back.
//
// An archive is a function of what is packed: packed twice, by different users on
// different days, it is the same to the byte. Layers are not compressed, since
// compressors change; whoever pushes an image compresses it.
package pack

import (
	"archive/tar"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"microcosm/functions"
	"microcosm/images/isa"
)

// filesDir is where a function's files lie in its image, modulesDir where npm's packages
// do among them.
const (
	filesDir   = "function"
	modulesDir = "node_modules"
)

// epoch is the one date of everything in an image, that of the guest's disk.
var epoch = time.Unix(1704067200, 0).UTC()

// Image is a function to be packed for one ISA.
type Image struct {
	Function *functions.Function
	ISA      isa.ISA
	Dir      string   // the installed function
	Base     []string // directories of what it stands on, the lowest first
}

// Name is the name of a packed function's image.
func Name(f *functions.Function) string { return "microcosm/" + f.Name + ":latest" }

// make returns the image. Its contents are read when it is written.
func (i Image) make() (v1.Image, error) {
	if err := i.fits(); err != nil {
		return nil, err
	}
	var trees []plain
	for _, dir := range i.Base {
		trees = append(trees, plain{dir: dir, at: "."})
	}
	own := plain{dir: i.Dir, at: filesDir}
	if len(i.Function.Packages.NPM) > 0 { // a layer of their own, the same for every function
		trees = append(trees, plain{dir: filepath.Join(i.Dir, modulesDir), at: path.Join(filesDir, modulesDir)})
		own.without = modulesDir
	}
	trees = append(trees, own)
	var layers []v1.Layer
	for _, l := range trees {
		if err := l.read(); err != nil {
			return nil, err
		}
		layers = append(layers, &l)
	}
	bare := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(bare, &v1.ConfigFile{
		Architecture: i.ISA.GoArch(), OS: "linux", Created: v1.Time{Time: epoch},
		Config: v1.Config{
			Entrypoint:   i.Function.Entrypoint("/" + filesDir),
			ExposedPorts: map[string]struct{}{strconv.Itoa(i.Function.Port) + "/tcp": {}},
			Labels:       map[string]string{"org.opencontainers.image.title": i.Function.Name, "org.opencontainers.image.description": i.Function.Summary},
		},
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layers...)
}

// fits returns an error if a program of the function is for another ISA, or npm's
// packages are missing.
func (i Image) fits() error {
	if _, err := os.Stat(filepath.Join(i.Dir, modulesDir)); len(i.Function.Packages.NPM) > 0 && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no %s: make -C functions install-nodejs DESTDIR=DIR installs npm's packages", i.Dir, modulesDir)
	}
	return filepath.WalkDir(i.Dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		program, err := elf.Open(file)
		var format *elf.FormatError
		if errors.As(err, &format) || errors.Is(err, io.EOF) {
			return nil // no ELF file
		}
		if err != nil {
			return err
		}
		defer func() { _ = program.Close() }() // it was only read
		if program.Machine != i.ISA.Machine() {
			return fmt.Errorf("%s is for %s, not for %s: make -C functions install GOARCH=%s DESTDIR=DIR installs those for it",
				file, program.Machine, i.ISA, i.ISA.GoArch())
		}
		return nil
	})
}

// plain is a layer that is not compressed: the files of dir below at, without the
// directory of that name in dir.
type plain struct {
	dir, at, without string
	digest           v1.Hash
	size             int64
}

// read finds out the layer's digest and size.
func (l *plain) read() error {
	sum := sha256.New()
	counter := &counter{w: sum}
	if err := l.write(counter); err != nil {
		return fmt.Errorf("layer of %s: %w", l.dir, err)
	}
	l.digest, l.size = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}, counter.n
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Digest implements v1.Layer.
func (l *plain) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID implements v1.Layer.
func (l *plain) DiffID() (v1.Hash, error) { return l.digest, nil }

// Size implements v1.Layer.
func (l *plain) Size() (int64, error) { return l.size, nil }

// MediaType implements v1.Layer.
func (l *plain) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

// Compressed implements v1.Layer.
func (l *plain) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

// Uncompressed implements v1.Layer.
func (l *plain) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.write(w)) }()
	return r, nil
}

// write writes the layer as a tar, in lexical order.
func (l *plain) write(w io.Writer) error {
	t := tar.NewWriter(w)
	err := filepath.WalkDir(l.dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(l.dir, file)
		if err != nil {
			return err
		}
		if entry.IsDir() && rel == l.without {
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return writeEntry(t, file, path.Join(l.at, filepath.ToSlash(rel)), info)
	})
	return errors.Join(err, t.Close())
}

func writeEntry(t *tar.Writer, file, name string, info fs.FileInfo) error {
	header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: epoch, Format: tar.FormatPAX}
	switch mode := info.Mode(); {
	case mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		if mode&fs.ModeSticky != 0 {
			header.Mode |= 0o1000
		}
		return t.WriteHeader(header)
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return err
		}
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, target, 0o777
		return t.WriteHeader(header)
	case !mode.IsRegular():
		return fmt.Errorf("%s is neither file, link nor directory", file)
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return errors.Join(err, f.Close())
}
