package samplefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"

	"microcosm/cosim/servicetime"
)

// ReadFile reads one file of samples, text or Parquet by its extension; name is
// its path in errors.
func ReadFile(name string, data []byte) ([]servicetime.Sample, error) {
	switch path.Ext(name) {
	case TextExtension:
		return ReadText(name, data)
	case ParquetExtension:
		return ReadParquet(name, bytes.NewReader(data), int64(len(data)))
	}
	return nil, fmt.Errorf("%s: files of samples end in %s or %s", name, TextExtension, ParquetExtension)
}

// ReadFolder reads every text and Parquet file in folder and below; other files
// are skipped, and none at all is no error. It reports the mistakes of all files
// at once; prefix stands before their names. A sample that several files hold is
// returned once, and is a mistake if they disagree.
func ReadFolder(folder fs.FS, prefix string) ([]servicetime.Sample, error) {
	var samples []servicetime.Sample
	var wrong []error
	at := map[numbered]int{}
	from := map[numbered]string{}
	err := walk(folder, func(name string, data []byte) {
		full := path.Join(prefix, name)
		list, err := ReadFile(full, data)
		if err != nil {
			wrong = append(wrong, err)
		}
		for _, s := range list {
			id := numbered{s.Key, s.N}
			if i, twice := at[id]; !twice {
				at[id], from[id] = len(samples), full
				samples = append(samples, s)
			} else if !reflect.DeepEqual(samples[i], s) {
				wrong = append(wrong, fmt.Errorf("%s: sample %d of %s stands in %s with other content", full, s.N, s.Key, from[id]))
			}
		}
	})
	if err = errors.Join(append(wrong, err)...); err != nil {
		return nil, err
	}
	return samples, nil
}

// FolderDigest returns the SHA-256, in hexadecimal, of the files that ReadFolder
// would read, names and content, or "" if there are none.
func FolderDigest(folder fs.FS) (string, error) {
	h := sha256.New()
	none := true
	err := walk(folder, func(name string, data []byte) {
		none = false
		_, _ = fmt.Fprintf(h, "%d:%s;%d:%s;", len(name), name, len(data), data) // a hash never fails
	})
	if err != nil || none {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// walk visits the files of samples in the order of their names.
func walk(folder fs.FS, visit func(name string, data []byte)) error {
	return fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != TextExtension && path.Ext(name) != ParquetExtension {
			return err
		}
		data, err := fs.ReadFile(folder, name)
		if err == nil {
			visit(name, data)
		}
		return err
	})
}
