package scenario

import (
	"sync"

	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// traces reads every trace once for all variants of a scenario: they see the same
// arrivals, whatever happens to the files meanwhile. It is safe for concurrent
// use.
type traces struct {
	mu   sync.Mutex
	read map[traceKey]readTrace
}

type traceKey struct {
	format  trace.Format
	path    string
	options trace.Options
}

type readTrace struct {
	workload loadgen.Workload
	err      error
}

// get returns what trace.Read does. The workload is shared: it must not be
// changed.
func (t *traces) get(format trace.Format, path string, o trace.Options) (loadgen.Workload, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := traceKey{format, path, o}
	known, ok := t.read[key]
	if !ok {
		known.workload, known.err = trace.Read(format, path, o)
		if t.read == nil {
			t.read = map[traceKey]readTrace{}
		}
		t.read[key] = known
	}
	return known.workload, known.err
}
