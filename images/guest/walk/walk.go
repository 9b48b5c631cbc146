// Package walk empties what a core remembers of a function: it executes code and
// reads data of a given size on whichever core it is called.
//
// Its pages are small, so that a walk needs many translations, and its branches
// follow no pattern, so that it trains the predictors with noise.
package walk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lineBytes is the stride of the walk, the line of every cache we know; a wider
// line is touched twice.
const lineBytes = 64

// The generator of ANSI C's rand, whose sign bit no predictor follows.
const (
	lcgMultiplier = 1103515245
	lcgIncrement  = 12345
)

// Walker keeps what it walks. It is not safe for concurrent use.
type Walker struct {
	code, data []byte
}

// Walk executes code bytes of code and reads data bytes, rounded up to whole
// cache lines.
func (w *Walker) Walk(code, data int64) error {
	if code < 0 || data < 0 {
		return errors.New("a walk cannot be negative")
	}
	code, data = lines(code), lines(data)
	if int64(len(w.code)) < code {
		mapped, err := mapCode(code)
		if err != nil {
			return err
		}
		w.code = mapped // the smaller one stays mapped: a job has few sizes
	}
	if int64(len(w.data)) < data {
		mapped, err := mapData(data)
		if err != nil {
			return err
		}
		w.data = mapped
	}
	if code > 0 {
		run(w.code[int64(len(w.code))-code:]) // the last line returns
	}
	var sum byte
	for i := int64(0); i < data; i += lineBytes {
		sum += w.data[i]
	}
	runtime.KeepAlive(sum) // or the reads would be optimized away
	return nil
}

// Serve walks as often as it is told to: a request is a line with the bytes of
// code and of data, the answer a line that is "done" or says what is wrong. It
// returns when the requests end.
func Serve(requests io.Reader, answers io.Writer) error {
	var w Walker
	input := bufio.NewScanner(requests)
	for input.Scan() {
		var code, data int64
		_, err := fmt.Sscanf(input.Text(), "%d %d", &code, &data)
		if err == nil {
			err = w.Walk(code, data)
		}
		answer := "done"
		if err != nil {
			answer = err.Error()
		}
		if _, err := fmt.Fprintln(answers, answer); err != nil {
			return err
		}
	}
	return input.Err()
}

// Ask has a Serve walk and waits until it is done.
func Ask(requests io.Writer, answers *bufio.Reader, code, data int64) error {
	if _, err := fmt.Fprintf(requests, "%d %d\n", code, data); err != nil {
		return err
	}
	answer, err := answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the walker does not answer: %w", err)
	}
	if answer != "done\n" {
		return errors.New(answer[:len(answer)-1])
	}
	return nil
}

func lines(size int64) int64 { return (size + lineBytes - 1) / lineBytes * lineBytes }

func mapData(size int64) ([]byte, error) {
	data, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes to walk: %w", size, err)
	}
	_ = unix.Madvise(data, unix.MADV_NOHUGEPAGE) // a kernel without huge pages has none to avoid
	for i := 0; i < len(data); i += os.Getpagesize() {
		data[i] = 1 // pages never written would all be the same zero page
	}
	return data, nil
}

// mapCode maps size bytes of code that runs from any line to the end and
// returns. The code goes through a file in memory, as programs do, because the
// kernel then makes the instruction caches see it.
func mapCode(size int64) ([]byte, error) {
	line, end := stub(false), stub(true)
	if line == nil {
		return nil, fmt.Errorf("no code to walk on %s", runtime.GOARCH)
	}
	fd, err := unix.MemfdCreate("walk", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create code to walk: %w", err)
	}
	file := os.NewFile(uintptr(fd), "walk")
	defer func() { _ = file.Close() }() // the mapping keeps it
	code := make([]byte, 0, size)
	for int64(len(code)) < size-lineBytes {
		code = append(code, line...)
	}
	if _, err := file.Write(append(code, end...)); err != nil {
		return nil, fmt.Errorf("write code to walk: %w", err)
	}
	mapped, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map code to walk: %w", err)
	}
	return mapped, nil
}

// run executes code from its first line to its last, which returns.
func run(code []byte) {
	// A Go function value points to a word that holds the address of the code.
	entry := unsafe.Pointer(unsafe.SliceData(code))
	word := &entry
	(*(*func())(unsafe.Pointer(&word)))()
}
