package cluster

import "time"

// tally is a Times that is entered in batches. A histogram lies in dozens of cache
// lines, and a run records for hundreds of functions and nodes in turn: one by one,
// each value would wait for lines that others have pushed out since. Histograms count
// in whole numbers, so that the order does not show. The zero value is empty.
type tally struct {
	times               *Times          // nil until the first batch: most marginals of most runs stay empty
	responses, services []time.Duration // pending
}

// batch is how many are entered at once: 4 KiB of them.
const batch = 256

func (t *tally) record(response, service time.Duration) {
	t.responses = append(t.responses, response)
	t.services = append(t.services, service)
	if len(t.services) == batch {
		t.settle()
	}
}

// settle enters what is pending and returns all; nil where there is nothing.
func (t *tally) settle() *Times {
	if len(t.services) == 0 {
		return t.times
	}
	if t.times == nil {
		t.times = &Times{}
	}
	t.times.Response.RecordAll(t.responses)
	t.times.Service.RecordAll(t.services)
	waiting := t.responses
	for i, service := range t.services {
		waiting[i] -= service
	}
	t.times.Waiting.RecordAll(waiting)
	t.responses, t.services = t.responses[:0], t.services[:0]
	return t.times
}
