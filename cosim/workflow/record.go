package workflow

import (
	"fmt"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/metrics"
)

// Account says where every flow went. Those of the warm-up are included.
type Account struct {
	Begun   int64 `json:"begun"`
	Done    int64 `json:"done"`
	Failed  int64 `json:"failed"`
	Running int64 `json:"running"` // when the run ended
}

// Balance returns an error unless begun = done + failed + running.
func (a Account) Balance() error {
	if a.Begun != a.Done+a.Failed+a.Running {
		return fmt.Errorf("flows lost from the count: %d begun, but done %d + failed %d + running %d", a.Begun, a.Done, a.Failed, a.Running)
	}
	return nil
}

// Add adds another account.
func (a *Account) Add(o Account) {
	a.Begun += o.Begun
	a.Done += o.Done
	a.Failed += o.Failed
	a.Running += o.Running
}

// Outcome is what the flows of one graph did. Histograms hold the flows that began
// after the warm-up and are done.
type Outcome struct {
	Name    string
	Account Account
	// Latency is from the beginning to the end of the last step; Service, Waiting and
	// Transfer are its parts along the critical path.
	Latency, Service, Waiting, Transfer metrics.Histogram
	Steps                               []StepOutcome // in the graph's order
}

// StepOutcome is the part of one step.
type StepOutcome struct {
	Name     string
	Invoked  int64 // in recorded flows
	Critical int64 // flows whose critical path it lies on
}

// recorder collects what a graph's flows did.
type recorder struct {
	begun, done, failed                 int64
	latency, service, waiting, transfer metrics.Histogram
	invoked, critical                   []int64
}

func (r *recorder) init(g *Graph) {
	r.invoked, r.critical = make([]int64, len(g.Steps)), make([]int64, len(g.Steps))
}

// ended records a flow of which nothing is under way any more.
func (r *recorder) ended(s *stream, f *flow, warmUp des.Time) {
	if f.failed {
		r.failed++
		return
	}
	r.done++
	if f.begun < warmUp {
		return
	}
	for i := range s.graph.Steps {
		if f.steps[i].invoked {
			r.invoked[i]++
		}
	}
	service, transfer := r.critically(f)
	latency := f.end.Sub(f.begun)
	r.latency.Record(latency)
	r.service.Record(service)
	r.transfer.Record(transfer)
	r.waiting.Record(latency - service - transfer)
}

// critically goes back along the critical path and returns its service and transfer
// times. What is left of the latency was spent waiting.
func (r *recorder) critically(f *flow) (service, transfer time.Duration) {
	for at := f.last; at >= 0; at = f.steps[at].cause {
		p := &f.steps[at]
		r.critical[at]++
		service += p.service
		transfer += p.ready.Sub(p.sent)
	}
	return service, transfer
}

func (r *recorder) outcome(g *Graph) Outcome {
	o := Outcome{
		Name: g.Name, Account: Account{Begun: r.begun, Done: r.done, Failed: r.failed},
		Latency: r.latency, Service: r.service, Waiting: r.waiting, Transfer: r.transfer,
	}
	for i, s := range g.Steps {
		o.Steps = append(o.Steps, StepOutcome{Name: s.Name, Invoked: r.invoked[i], Critical: r.critical[i]})
	}
	return o
}
