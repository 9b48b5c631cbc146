package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"microcosm/cosim/des"
	"microcosm/loadgen"
)

// WriteIAT writes the workload as iat0.json, iat1.json, … into the directory
// dir, which must be empty or not exist: the streams of one seed, fully resolved.
// Reading them back gives the same arrivals. Durations are written in whole
// milliseconds, rounded up; a workload read by this package has no others. The
// directory appears at once when all files are complete, or not at all.
func WriteIAT(dir string, w loadgen.Workload, seed uint64) (err error) {
	if w.Horizon <= 0 || w.Horizon > latest {
		return fmt.Errorf("write resolved trace: the workload's horizon, %v, must be set and finite", w.Horizon)
	}
	aside, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".iat-")
	if err != nil {
		return fmt.Errorf("write resolved trace: %w; create the directory it is to stand in", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(aside))
		}
	}()
	if err := os.Chmod(aside, 0o755); err != nil {
		return fmt.Errorf("write resolved trace: %w", err)
	}
	for i, f := range w.Functions {
		path := filepath.Join(aside, fmt.Sprintf("iat%d.json", i))
		if err := writeIATFile(path, f, w.Horizon, seed); err != nil {
			return fmt.Errorf("write resolved trace: function %s: %w", f.Name, err)
		}
	}
	// Unlike os.Rename this takes the place of an empty directory, and only that.
	if err := unix.Rename(aside, dir); err != nil {
		return fmt.Errorf("write resolved trace: %s: %w; name a directory that is empty or does not exist", dir, err)
	}
	return nil
}

func writeIATFile(path string, f loadgen.Function, horizon des.Time, seed uint64) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	p := &iatPrinter{text: bufio.NewWriterSize(file, 1<<16)}
	err = p.print(f, horizon, seed)
	return errors.Join(err, p.text.Flush(), file.Close())
}

// iatPrinter lays JSON out as In-Vitro does, one number a line. A failure to
// write stays in the buffered writer, which reports it when it is flushed.
type iatPrinter struct {
	text    *bufio.Writer
	scratch []byte
	within  bool // something stands before in this object or array
}

// print plays the function's stream twice, for times and for durations, since
// neither array need fit into memory.
func (p *iatPrinter) print(f loadgen.Function, horizon des.Time, seed uint64) error {
	hash := f.Hash
	if hash == "" {
		hash = f.Name
	}
	p.raw("{")
	p.quoted("HashOwner", f.Owner)
	p.quoted("HashApp", f.App)
	p.quoted("HashFunction", hash)

	p.open("IAT")
	counts, err := p.gaps(f.Stream(seed), horizon)
	if err != nil {
		return err
	}
	p.close()

	p.open("PerMinuteCount")
	for _, n := range counts {
		p.element(strconv.AppendInt(p.scratch[:0], n, 10))
	}
	p.close()

	p.key("RawDuration")
	p.raw("null")

	p.open("RuntimeSpecification")
	stream := f.Stream(seed)
	for a, ok := stream.Next(); ok; a, ok = stream.Next() {
		millis := (a.Duration + time.Millisecond - 1) / time.Millisecond
		p.element(fmt.Appendf(p.scratch[:0], `{"Runtime": %d, "Memory": %d}`, millis, a.MemoryMiB))
	}
	p.close()
	p.raw("\n}\n")
	return nil
}

// gaps prints the gaps in microseconds and returns the counts per minute.
func (p *iatPrinter) gaps(stream loadgen.Stream, horizon des.Time) ([]int64, error) {
	const minute = des.Time(time.Minute)
	counts := make([]int64, wholeMinutes(horizon)/minute)
	last := des.Time(0)
	for a, ok := stream.Next(); ok; a, ok = stream.Next() {
		if a.At < last || a.At >= horizon {
			return nil, fmt.Errorf("its stream yields %v after %v; want increasing instants before the horizon, %v", a.At, last, horizon)
		}
		p.element(strconv.AppendFloat(p.scratch[:0], float64(a.At-last)/1000, 'f', -1, 64))
		counts[a.At/minute]++
		last = a.At
	}
	return counts, nil
}

// quoted prints a key with a string as its value.
func (p *iatPrinter) quoted(key, value string) {
	literal, err := json.Marshal(value)
	if err != nil {
		literal = []byte(`""`) // cannot be: every string has a JSON form
	}
	p.key(key)
	p.raw(string(literal))
}

func (p *iatPrinter) key(key string) {
	if p.within {
		p.raw(",")
	}
	p.raw("\n \"" + key + "\": ")
	p.within = true
}

func (p *iatPrinter) open(key string) {
	p.key(key)
	p.raw("[")
	p.within = false
}

func (p *iatPrinter) close() {
	p.raw("\n ]")
	p.within = true
}

func (p *iatPrinter) element(text []byte) {
	if p.within {
		p.raw(",")
	}
	p.raw("\n  ")
	_, _ = p.text.Write(text) // see iatPrinter
	p.scratch, p.within = text, true
}

func (p *iatPrinter) raw(s string) {
	_, _ = p.text.WriteString(s) // see iatPrinter
}
