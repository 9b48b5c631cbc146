package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// Exported says what an export wrote.
type Exported struct {
	Samples   int
	Written   []string // files, in the order of their names
	Unchanged []string // files that had this content already
}

// Export writes the samples that the filter picks as text files below folder,
// which is created if its parent exists. Every file is written aside and
// renamed. If a file exists with other content, nothing is written and the error
// names all of those, unless overwrite is set. Other files are left alone.
func (s *Store) Export(ctx context.Context, folder string, filter Filter, overwrite bool) (Exported, error) {
	samples, err := s.Pick(ctx, filter)
	if err != nil {
		return Exported{}, err
	}
	files := samplefile.Split(samples)
	contents := make(map[string][]byte, len(files))
	names := make([]string, len(files))
	for i, file := range files {
		var text bytes.Buffer
		if err := samplefile.WriteText(&text, file.Samples); err != nil {
			return Exported{}, fmt.Errorf("export %s: %w", file.Name, err)
		}
		names[i] = filepath.Join(folder, filepath.FromSlash(file.Name))
		contents[names[i]] = text.Bytes()
	}
	done := Exported{Samples: len(samples)}
	if len(names) > 0 {
		if err := makeFolder(folder); err != nil {
			return Exported{}, fmt.Errorf("export to %s: %w", folder, err)
		}
	}
	done.Written, done.Unchanged, err = replaceFiles(names, contents, overwrite)
	return done, err
}

// ExportParquet writes the samples that the filter picks as one Parquet table,
// ordered as in Keys, under the same rules as Export.
func (s *Store) ExportParquet(ctx context.Context, path string, filter Filter, overwrite bool) (Exported, error) {
	samples, err := s.Pick(ctx, filter)
	if err != nil {
		return Exported{}, err
	}
	var table bytes.Buffer
	if err := samplefile.WriteParquet(&table, samples); err != nil {
		return Exported{}, fmt.Errorf("export %s: %w", path, err)
	}
	done := Exported{Samples: len(samples)}
	done.Written, done.Unchanged, err = replaceFiles([]string{path}, map[string][]byte{path: table.Bytes()}, overwrite)
	return done, err
}

// replaceFiles writes the files whose content differs, once it is sure that
// none may be lost by it.
func replaceFiles(names []string, contents map[string][]byte, overwrite bool) (written, unchanged []string, err error) {
	var refused []error
	for _, name := range names {
		old, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			written = append(written, name)
		case err != nil:
			refused = append(refused, err)
		case bytes.Equal(old, contents[name]):
			unchanged = append(unchanged, name)
		case overwrite:
			written = append(written, name)
		default:
			refused = append(refused, fmt.Errorf("%s exists with other content: %w", name, fs.ErrExist))
		}
	}
	if len(refused) > 0 {
		return nil, nil, fmt.Errorf("export: nothing was written; ask for overwriting, or name another place:\n%w", errors.Join(refused...))
	}
	for i, name := range written {
		err := makeFolder(filepath.Dir(name))
		if err == nil {
			err = renameio.WriteFile(name, contents[name], 0o666)
		}
		if err != nil {
			return written[:i], unchanged, fmt.Errorf("export: after %d of %d files: %w", i, len(written), err)
		}
	}
	return written, unchanged, nil
}

// makeFolder creates a folder whose parent exists.
func makeFolder(folder string) error {
	if err := os.Mkdir(folder, 0o777); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Tally counts what came in.
type Tally struct {
	Added   int // samples that are new
	Present int // samples that were there already, with the same content
	Runs    int // runs that are new
}

// Import stores the samples of a text or Parquet file, or of all of them in a
// folder and below, in one transaction: all, or none. It reports every mistake
// in the files at once, each with its line, and every conflict with the store as
// one *ConflictError.
func (s *Store) Import(ctx context.Context, path string) (Tally, error) {
	samples, err := readPath(path)
	if err != nil {
		return Tally{}, fmt.Errorf("import: nothing was stored:\n%w", err)
	}
	if len(samples) == 0 {
		return Tally{}, fmt.Errorf("import %s: no %s or %s file there", path, samplefile.TextExtension, samplefile.ParquetExtension)
	}
	return s.putAll(ctx, "import "+path, samples)
}

func readPath(path string) ([]servicetime.Sample, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return samplefile.ReadFolder(os.DirFS(path), filepath.ToSlash(path))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return samplefile.ReadFile(filepath.ToSlash(path), data)
}
