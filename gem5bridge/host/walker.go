package host

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"microcosm/gem5bridge/process"
)

// lineBytes is the stride of the walk, the line of every cache we know; a wider
// line is touched twice.
const lineBytes = 64

// The generator of ANSI C's rand, whose sign bit no predictor follows.
const (
	lcgMultiplier = 1103515245
	lcgIncrement  = 12345
)

// walked is how much a walk has touched.
type walked struct{ data, code int64 }

// walker empties a core's caches, TLBs and predictors: on that core it reads
// data and executes code, each as large as asked for. Its pages are small, so
// that the walk needs many translations.
type walker struct {
	data     []byte
	code     []byte // executable; empty where code cannot be walked
	requests chan int64
	answers  chan walked
}

// newWalker prepares walks of up to size bytes of data and of code on core. The
// caller must close it.
func newWalker(core, nice int, size int64) (*walker, error) {
	size = lines(size)
	data, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes to walk: %w", size, err)
	}
	_ = unix.Madvise(data, unix.MADV_NOHUGEPAGE) // a kernel without huge pages has none to avoid
	for i := 0; i < len(data); i += os.Getpagesize() {
		data[i] = 1 // pages never written would all be the same zero page
	}
	w := &walker{data: data, requests: make(chan int64), answers: make(chan walked)}
	if w.code, err = mapCode(size); err != nil {
		w.code = nil // then it walks data only, and says so
	}
	ready := make(chan error)
	go w.serve(core, nice, ready)
	if err := <-ready; err != nil {
		w.unmap()
		return nil, err
	}
	return w, nil
}

// serve walks on one thread that is confined to core and dies with this
// goroutine.
func (w *walker) serve(core, nice int, ready chan<- error) {
	runtime.LockOSThread()
	err := process.Confine(0, []int{core})
	process.Prefer(0, nice)
	ready <- err
	if err != nil {
		return
	}
	for size := range w.requests {
		done := walked{data: walkData(w.data[:size])}
		if len(w.code) > 0 {
			done.code = walkCode(w.code[int64(len(w.code))-size:])
		}
		w.answers <- done
	}
	close(w.answers)
}

// walk walks size bytes, rounded up to whole cache lines and at most those the
// walker was made for, and returns when it is done.
func (w *walker) walk(size int64) walked {
	w.requests <- min(lines(size), int64(len(w.data)))
	return <-w.answers
}

// walksCode says whether code is walked on this machine.
func (w *walker) walksCode() bool { return len(w.code) > 0 }

func (w *walker) close() {
	close(w.requests)
	<-w.answers
	w.unmap()
}

func (w *walker) unmap() {
	_ = unix.Munmap(w.data) // mapped above
	if len(w.code) > 0 {
		_ = unix.Munmap(w.code) // mapped above
	}
}

func lines(size int64) int64 { return (size + lineBytes - 1) / lineBytes * lineBytes }

func walkData(data []byte) int64 {
	var sum byte
	for i := 0; i < len(data); i += lineBytes {
		sum += data[i]
	}
	runtime.KeepAlive(sum) // or the reads would be optimized away
	return int64(len(data))
}

// mapCode maps size bytes of code that runs from any line to the end and
// returns. The code goes through a file in memory, as programs do, because the
// kernel then makes the instruction caches see it.
func mapCode(size int64) ([]byte, error) {
	line, end := stub(false), stub(true)
	if line == nil {
		return nil, fmt.Errorf("no code to walk on %s", runtime.GOARCH)
	}
	fd, err := unix.MemfdCreate("walk", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err != nil { // a kernel before 6.3 does not know MFD_EXEC
		if fd, err = unix.MemfdCreate("walk", unix.MFD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("create code to walk: %w", err)
		}
	}
	file := os.NewFile(uintptr(fd), "walk")
	defer func() { _ = file.Close() }() // the mapping keeps it
	code := append(bytes.Repeat(line, int(size/lineBytes)-1), end...)
	if _, err := file.Write(code); err != nil {
		return nil, fmt.Errorf("write code to walk: %w", err)
	}
	mapped, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map code to walk: %w", err)
	}
	return mapped, nil
}

// walkCode runs code from its first line to its last, which returns.
func walkCode(code []byte) int64 {
	// A Go function value points to a word that holds the address of the code.
	entry := unsafe.Pointer(unsafe.SliceData(code))
	word := &entry
	run := *(*func())(unsafe.Pointer(&word))
	run()
	return int64(len(code))
}
