package cluster

import "time"

// tally is a Times that is entered in batches. A histogram lies in dozens of cache
// lines, and a run records for hundreds of functions and nodes in turn: one by one,
// each value would wait for lines that others have pushed out since. Histograms count
// in whole numbers, so that the order does not show. The zero value is empty.
type tally struct {
	times   *Times // nil until the first batch: most marginals of most runs stay empty
	pending []call
}

type call struct{ response, service time.Duration }

// batch is how many are entered at once: 4 KiB of them.
const batch = 256

func (t *tally) record(response, service time.Duration) {
	t.pending = append(t.pending, call{response, service})
	if len(t.pending) == batch {
		t.settle()
	}
}

// settle enters what is pending and returns all; nil where there is nothing.
func (t *tally) settle() *Times {
	if len(t.pending) == 0 {
		return t.times
	}
	if t.times == nil {
		t.times = &Times{}
	}
	var responses, waitings, services [batch]time.Duration
	for i, c := range t.pending {
		responses[i], waitings[i], services[i] = c.response, c.response-c.service, c.service
	}
	n := len(t.pending)
	t.times.Response.RecordAll(responses[:n])
	t.times.Waiting.RecordAll(waitings[:n])
	t.times.Service.RecordAll(services[:n])
	t.pending = t.pending[:0]
	return t.times
}
