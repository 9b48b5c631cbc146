package host

import (
	"runtime"

	"microcosm/gem5bridge/process"
	"microcosm/images/guest/walk"
)

// walked is how much a walk has touched.
type walked struct{ data, code int64 }

// walker empties a core's caches, TLBs and predictors: on that core it reads
// data and executes code, each as large as asked for. Its pages are small, so
// that the walk needs many translations.
type walker struct {
	data     walk.Data
	code     walk.Code // empty where code cannot be walked
	requests chan int64
	answers  chan walked
}

// newWalker prepares walks of up to size bytes of data and of code on core. The
// caller must close it.
func newWalker(core, nice int, size int64) (*walker, error) {
	data, err := walk.NewData(size)
	if err != nil {
		return nil, err
	}
	w := &walker{data: data, requests: make(chan int64), answers: make(chan walked)}
	if w.code, err = walk.NewCode(size); err != nil {
		w.code = walk.Code{} // then it walks data only, and says so
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
		w.answers <- walked{data: w.data.Walk(size), code: w.code.Walk(size)}
	}
	close(w.answers)
}

// walk walks size bytes, rounded up to whole cache lines and at most those the
// walker was made for, and returns when it is done.
func (w *walker) walk(size int64) walked {
	w.requests <- size
	return <-w.answers
}

// walksCode says whether code is walked on this machine.
func (w *walker) walksCode() bool { return w.code.Bytes() > 0 }

func (w *walker) close() {
	close(w.requests)
	<-w.answers
	w.unmap()
}

func (w *walker) unmap() {
	w.data.Free()
	w.code.Free()
}
