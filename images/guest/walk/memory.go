package walk

import (
	"bytes"
	"fmt"
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

// most bounds a walk: far more than any cache, far less than a machine's memory.
const most = 4 << 30

func check(size int64) error {
	if size < 0 || size > most {
		return fmt.Errorf("a walk of %d bytes: want 0 to %d", size, int64(most))
	}
	return nil
}

// Data is memory to read. The zero value is empty. It is not safe for concurrent
// use with Free.
type Data struct{ bytes []byte }

// NewData maps at least size bytes, rounded up to whole cache lines.
func NewData(size int64) (Data, error) {
	if err := check(size); err != nil || size == 0 {
		return Data{}, err
	}
	data, err := unix.Mmap(-1, 0, int(lines(size)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return Data{}, fmt.Errorf("map %d bytes to walk: %w", size, err)
	}
	_ = unix.Madvise(data, unix.MADV_NOHUGEPAGE) // a kernel without huge pages has none to avoid
	for i := 0; i < len(data); i += os.Getpagesize() {
		data[i] = 1 // pages never written would all be the same zero page
	}
	return Data{data}, nil
}

// Bytes is how much there is to walk.
func (d Data) Bytes() int64 { return int64(len(d.bytes)) }

// Walk reads size bytes, rounded up to whole cache lines and at most all there is,
// and returns how many.
func (d Data) Walk(size int64) int64 {
	part := d.bytes[:min(lines(size), d.Bytes())]
	var sum byte
	for i := 0; i < len(part); i += lineBytes {
		sum += part[i]
	}
	runtime.KeepAlive(sum) // or the reads would be optimized away
	return int64(len(part))
}

// Free unmaps the memory, which must not be walked any more.
func (d Data) Free() { free(d.bytes) }

// Code is code to execute. The zero value is empty. It is not safe for concurrent
// use with Free.
type Code struct{ bytes []byte }

// HasCode reports whether there is code to walk on this architecture.
func HasCode() bool { return stub(true) != nil }

// NewCode maps at least size bytes of code, rounded up to whole cache lines, that
// runs from any line to the end and returns. It goes through a file in memory, as
// programs do, because the kernel then makes the instruction caches see it. The
// error says where this architecture has no code to walk.
func NewCode(size int64) (Code, error) {
	if !HasCode() {
		return Code{}, fmt.Errorf("no code to walk on %s", runtime.GOARCH)
	}
	if err := check(size); err != nil || size == 0 {
		return Code{}, err
	}
	size = lines(size)
	fd, err := unix.MemfdCreate("walk", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err != nil { // a kernel before 6.3 does not know MFD_EXEC
		if fd, err = unix.MemfdCreate("walk", unix.MFD_CLOEXEC); err != nil {
			return Code{}, fmt.Errorf("create code to walk: %w", err)
		}
	}
	file := os.NewFile(uintptr(fd), "walk")
	defer func() { _ = file.Close() }() // the mapping keeps it
	code := append(bytes.Repeat(stub(false), int(size/lineBytes)-1), stub(true)...)
	if _, err := file.Write(code); err != nil {
		return Code{}, fmt.Errorf("write code to walk: %w", err)
	}
	mapped, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	if err != nil {
		return Code{}, fmt.Errorf("map code to walk: %w", err)
	}
	return Code{mapped}, nil
}

// Bytes is how much there is to walk.
func (c Code) Bytes() int64 { return int64(len(c.bytes)) }

// Walk executes size bytes, rounded up to whole cache lines and at most all there
// is, and returns how many.
func (c Code) Walk(size int64) int64 {
	size = min(lines(size), c.Bytes())
	if size > 0 {
		run(c.bytes[c.Bytes()-size:]) // the last line returns
	}
	return size
}

// Free unmaps the code, which must not be walked any more.
func (c Code) Free() { free(c.bytes) }

func free(mapped []byte) {
	if len(mapped) > 0 {
		_ = unix.Munmap(mapped) // mapped above
	}
}

func lines(size int64) int64 { return (size + lineBytes - 1) / lineBytes * lineBytes }

// run executes code from its first line to its last, which returns.
func run(code []byte) {
	// A Go function value points to a word that holds the address of the code.
	entry := unsafe.Pointer(unsafe.SliceData(code))
	word := &entry
	(*(*func())(unsafe.Pointer(&word)))()
}
