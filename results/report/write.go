package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"microcosm/cosim/experiment"
)

// Format is one of the files that Write makes.
type Format uint8

// The formats.
const (
	FormatInvalid Format = iota
	FormatJSON           // result.json: the result itself
	FormatHTML           // report.html, see HTML
	FormatCSV            // report.csv, see CSV
	FormatParquet        // report.parquet, see Parquet
)

var formats = [...]struct {
	word, file string
	write      func(io.Writer, *experiment.Result) error
}{
	FormatInvalid: {word: "invalid"},
	FormatJSON:    {"json", "result.json", writeJSON},
	FormatHTML:    {"html", "report.html", HTML},
	FormatCSV:     {"csv", "report.csv", CSV},
	FormatParquet: {"parquet", "report.parquet", Parquet},
}

// aboutFile lies beside the others and tells which of them Write made.
const aboutFile = "about.json"

// Formats returns all formats in the order in which Write makes them.
func Formats() []Format { return []Format{FormatJSON, FormatHTML, FormatCSV, FormatParquet} }

// String returns the word of the format: "json", "html", "csv" or "parquet".
func (f Format) String() string {
	if int(f) < len(formats) {
		return formats[f].word
	}
	return formats[FormatInvalid].word
}

// ParseFormat reads what String writes, except "invalid".
func ParseFormat(word string) (Format, error) {
	for _, f := range Formats() {
		if f.String() == word {
			return f, nil
		}
	}
	return FormatInvalid, fmt.Errorf("format %q: want json, html, csv or parquet", word)
}

// ErrForeign says that a file is in the way that Write did not make, or made for
// another scenario, or that was changed since.
var ErrForeign = errors.New("exists and is not what an earlier run of this scenario wrote there: choose another directory, or overwrite by force")

// WriteOptions chooses what Write writes. The zero value is all formats, and
// nothing by force.
type WriteOptions struct {
	Formats []Format
	Force   bool      // overwrite whatever files have the names
	Run     RunRecord // goes to about.json
}

// Write writes the result in several formats and about.json into dir, which it
// makes where it is missing, and returns the paths of the files. A file that
// already exists is replaced only if it is, unchanged, from an earlier Write of
// the same scenario, or with Force; otherwise the error is ErrForeign for every
// such file, and nothing was written. Each file appears whole or not at all.
func Write(dir string, r *experiment.Result, o WriteOptions) ([]string, error) {
	wanted := o.Formats
	if len(wanted) == 0 {
		wanted = Formats()
	}
	texts := map[string][]byte{}
	var names []string
	for _, f := range wanted {
		if f == FormatInvalid || int(f) >= len(formats) {
			return nil, fmt.Errorf("write report: format %d: want json, html, csv or parquet", f)
		}
		if slices.Contains(names, formats[f].file) {
			continue
		}
		var text bytes.Buffer
		if err := formats[f].write(&text, r); err != nil {
			return nil, fmt.Errorf("write report: %w", err)
		}
		names = append(names, formats[f].file)
		texts[formats[f].file] = text.Bytes()
	}
	earlier := earlierOf(dir, r.Scenario)
	if err := inTheWay(dir, texts, earlier, o.Force); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	about, err := newAbout(r, o.Run, texts, earlier).encode()
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	texts[aboutFile] = about
	return replace(dir, append(names, aboutFile), texts)
}

// Check returns the error that Write would return for a result of the scenario
// whose text differs from all that is in dir: it tells before a long run what
// would be in the way of its report.
func Check(dir, scenario string, o WriteOptions) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("write report: %s is not a directory: choose another one", dir)
	}
	wanted := o.Formats
	if len(wanted) == 0 {
		wanted = Formats()
	}
	texts := map[string][]byte{} // not known yet
	for _, f := range wanted {
		if f != FormatInvalid && int(f) < len(formats) {
			texts[formats[f].file] = nil
		}
	}
	if err := inTheWay(dir, texts, earlierOf(dir, scenario), o.Force); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// earlierOf returns what an earlier Write of the scenario left in dir, or nil.
func earlierOf(dir, scenario string) *about {
	earlier := readAbout(filepath.Join(dir, aboutFile))
	if scenario == "" || earlier == nil || earlier.Scenario != scenario {
		return nil
	}
	return earlier
}

func writeJSON(w io.Writer, r *experiment.Result) error {
	text, err := r.JSON()
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// inTheWay returns an error for every file that must not be replaced. A text that
// is nil differs from that of every file.
func inTheWay(dir string, texts map[string][]byte, earlier *about, force bool) error {
	var mistakes []error
	for _, name := range append(fileNames(), aboutFile) {
		text, wanted := texts[name]
		if !wanted && name != aboutFile {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			mistakes = append(mistakes, err)
			continue
		case !info.Mode().IsRegular():
			mistakes = append(mistakes, fmt.Errorf("%s is not a file: remove it, or choose another directory", path))
			continue
		case force:
			continue
		case name == aboutFile:
			if earlier == nil {
				mistakes = append(mistakes, fmt.Errorf("%s %w", path, ErrForeign))
			}
			continue
		}
		present, err := os.ReadFile(path)
		if err != nil {
			mistakes = append(mistakes, err)
		} else if (text == nil || !bytes.Equal(present, text)) && (earlier == nil || earlier.Files[name] != digest(present)) {
			mistakes = append(mistakes, fmt.Errorf("%s %w", path, ErrForeign))
		}
	}
	return errors.Join(mistakes...)
}

func fileNames() []string {
	var names []string
	for _, f := range Formats() {
		names = append(names, formats[f].file)
	}
	return names
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// replace writes every file aside before it renames the first, so that a full
// disk leaves all as it was.
func replace(dir string, names []string, texts map[string][]byte) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	var pending []*renameio.PendingFile
	defer func() {
		for _, p := range pending {
			_ = p.Cleanup() // does nothing to those renamed; of the others only a hidden file could stay
		}
	}()
	for _, name := range names {
		p, err := renameio.NewPendingFile(filepath.Join(dir, name), renameio.WithTempDir(dir), renameio.WithPermissions(0o644))
		if err != nil {
			return nil, fmt.Errorf("write report: %w", err)
		}
		pending = append(pending, p)
		if _, err := p.Write(texts[name]); err != nil {
			return nil, fmt.Errorf("write report: %w", err)
		}
	}
	var paths []string
	for i, p := range pending {
		if err := p.CloseAtomicallyReplace(); err != nil {
			return paths, fmt.Errorf("write report: %w", err)
		}
		paths = append(paths, filepath.Join(dir, names[i]))
	}
	return paths, nil
}
