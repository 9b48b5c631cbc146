package mapping

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"microcosm/loadgen"
	"microcosm/loadgen/internal/textfile"
)

// Table is a file of In-Vitro's mapper: the full name of a measured function for
// each key. A key is a function's hash, owner and application in one string, or
// its hash.
type Table map[string]string

// ReadTable reads a mapper_output.json, compressed with gzip or not:
// {"<key>": {"proxy-function": "<name>"}, …}.
func ReadTable(path string) (Table, error) {
	t := Table{}
	err := readObject(path, func(key string, d *json.Decoder) error {
		var entry struct {
			Proxy string `json:"proxy-function"`
		}
		if err := d.Decode(&entry); err != nil {
			return err
		}
		if _, twice := t[key]; twice {
			return entryErrorf("key %q stands twice; remove one", key)
		}
		if entry.Proxy == "" {
			return entryErrorf("key %q has no proxy-function; name the measured function that stands for it", key)
		}
		t[key] = entry.Proxy
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// ReadProfiles reads the profile.json of In-Vitro's mapper, compressed with gzip
// or not, in the file's order: {"<name>": {"duration": {"50-percentile": ms},
// "memory": {"50-percentile": MB}}, …}.
func ReadProfiles(path string) ([]Profile, error) {
	var list []Profile
	seen := map[string]bool{}
	err := readObject(path, func(key string, d *json.Decoder) error {
		var entry struct {
			Duration, Memory struct {
				Median float64 `json:"50-percentile"`
			}
		}
		if err := d.Decode(&entry); err != nil {
			return err
		}
		millis, memory := entry.Duration.Median, entry.Memory.Median
		switch {
		case seen[key]:
			return entryErrorf("profile %q stands twice; remove one", key)
		case !(millis*1e6 >= 1 && millis < 1e12):
			return entryErrorf("profile %q: the 50-percentile of duration is %v; want milliseconds above 0", key, millis)
		case !(memory > 0 && memory < 1e12):
			return entryErrorf("profile %q: the 50-percentile of memory is %v; want MB above 0", key, memory)
		}
		seen[key] = true
		list = append(list, Profile{Name: key, MedianDuration: time.Duration(math.Round(millis * 1e6)), MedianMemory: memory})
		return nil
	})
	if err == nil && len(list) == 0 {
		err = &loadgen.FileError{File: path, Problem: "holds no profile; want one for each measured function"}
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// maxMistakes is how many are listed before reading stops.
const maxMistakes = 50

// objectReader reads the one JSON object in a file, key by key.
type objectReader struct {
	path     string
	decoder  *json.Decoder
	mistakes []error
}

// readObject calls read for each key, in order; it decodes the value. Mistakes
// of single entries are collected; one in the JSON itself ends the reading.
func readObject(path string, read func(key string, d *json.Decoder) error) error {
	text, err := textfile.Open(path)
	if err != nil {
		return &loadgen.FileError{File: path, Problem: textfile.Problem(err), Err: err}
	}
	defer func() { _ = text.Close() }() // only read from
	r := objectReader{path: path, decoder: json.NewDecoder(text)}
	r.read(read)
	return errors.Join(r.mistakes...)
}

func (r *objectReader) read(read func(key string, d *json.Decoder) error) {
	if token, err := r.decoder.Token(); err != nil || token != json.Delim('{') {
		r.fail(0, cmp.Or(err, errors.New("want a JSON object")))
		return
	}
	for r.decoder.More() && len(r.mistakes) < maxMistakes {
		start := r.decoder.InputOffset()
		token, err := r.decoder.Token()
		if err != nil {
			r.fail(start, err)
			return
		}
		key, _ := token.(string) // within an object, Token yields a key here
		if err := read(key, r.decoder); err != nil {
			r.fail(start, err)
			if !goesOn(err) {
				return
			}
		}
	}
	if len(r.mistakes) >= maxMistakes {
		r.mistakes = append(r.mistakes, fmt.Errorf("%s: reading stopped after %d mistakes: there may be more", r.path, maxMistakes))
		return
	}
	if _, err := r.decoder.Token(); err != nil {
		r.fail(r.decoder.InputOffset(), err)
		return
	}
	// Reading on to the end finds what follows, and what is wrong with a
	// compressed file's checksum.
	end := r.decoder.InputOffset()
	if _, err := r.decoder.Token(); err == nil {
		r.fail(end, errors.New("something follows the JSON object; the file must hold one object and nothing else"))
	} else if !errors.Is(err, io.EOF) {
		r.fail(end, err)
	}
}

// goesOn reports that a mistake concerns one entry, whose value was read whole.
func goesOn(err error) bool {
	var misplaced *json.UnmarshalTypeError
	var entry entryError
	return errors.As(err, &misplaced) || errors.As(err, &entry)
}

// entryError is a mistake in the meaning of an entry.
type entryError string

func (e entryError) Error() string { return string(e) }

func entryErrorf(format string, args ...any) error { return entryError(fmt.Sprintf(format, args...)) }

func (r *objectReader) fail(offset int64, err error) {
	r.mistakes = append(r.mistakes, &loadgen.FileError{File: r.path, Line: textfile.Line(r.path, offset), Problem: textfile.JSONProblem(err), Err: err})
}
