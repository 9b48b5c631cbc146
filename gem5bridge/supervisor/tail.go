package supervisor

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// Bounds of what is read at one look and of a line that is kept.
const (
	lookBytes = 4 << 20
	lineBytes = 1 << 20
)

// tailFile reads the lines by which a file has grown. A file that is not there
// yet has none.
type tailFile struct {
	path    string
	offset  int64
	partial []byte
}

// lines calls each with every line that has been completed since the last call,
// without its end. A line that never ends is cut.
func (t *tailFile) lines(each func(line []byte)) {
	file, err := os.Open(t.path)
	if err != nil {
		return // not there yet, or no more: the deadlines will tell
	}
	defer file.Close()
	if _, err := file.Seek(t.offset, io.SeekStart); err != nil {
		return
	}
	text := make([]byte, 64<<10)
	for read := 0; read < lookBytes; {
		n, err := file.Read(text)
		read, t.offset = read+n, t.offset+int64(n)
		t.split(text[:n], each)
		if n == 0 || err != nil && !errors.Is(err, io.EOF) {
			return
		}
	}
}

func (t *tailFile) split(text []byte, each func(line []byte)) {
	for {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		t.partial = append(t.partial, line[:min(len(line), lineBytes-len(t.partial))]...)
		if !ended && len(t.partial) < lineBytes {
			return
		}
		each(t.partial)
		t.partial = t.partial[:0]
		if !ended {
			return
		}
		text = rest
	}
}
