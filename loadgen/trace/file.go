package trace

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// open opens a text file, compressed with gzip or not, whatever its name says,
// and skips a byte order mark.
func open(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Close() // nothing was written
		return nil, errors.New("is a directory; want a file")
	}
	text := bufio.NewReaderSize(file, 1<<16)
	if magic, _ := text.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952, section 2.3.1; an error shows again below
		unpacked, err := gzip.NewReader(text)
		if err != nil {
			_ = file.Close() // nothing was written
			return nil, err
		}
		text = bufio.NewReaderSize(unpacked, 1<<16)
	}
	if mark, _ := text.Peek(3); string(mark) == "\ufeff" { // an error shows again at the first read
		_, _ = text.Discard(3) // just seen
	}
	return struct {
		io.Reader
		io.Closer
	}{text, file}, nil
}

// openEither opens path, or path with ".gz" where the former does not exist, and
// returns the name of what it opened.
func openEither(path string) (string, io.ReadCloser, error) {
	text, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if packed, err := open(path + ".gz"); !errors.Is(err, fs.ErrNotExist) {
			return path + ".gz", packed, err
		}
	}
	return path, text, err
}

// readProblem says in words why reading failed, and what to do.
func readProblem(err error) string {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file, with or without .gz; check the trace's path"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the compressed file ends too early; copy it again ('gzip -t' checks it)"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return "the compressed file is damaged; copy it again ('gzip -t' checks it)"
	default:
		return fmt.Sprintf("cannot be read: %v", err)
	}
}
