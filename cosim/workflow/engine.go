package workflow

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// Stream is a graph with the beginnings of its flows.
type Stream struct {
	Graph    *Graph
	Arrivals cluster.Arrivals
}

// Engine runs flows on a cluster. Use it for one run, as cluster.Config.Flows; it
// holds only what is under way.
type Engine struct {
	streams []*stream
	tags    []tag // by cluster.Release.Tag - 1
	free    []int32
	warmUp  des.Time
}

// stream is one graph while it runs.
type stream struct {
	index   int32 // in Engine.streams
	graph   *Graph
	into    []int
	roots   []int
	source  cluster.Arrivals
	next    des.Time
	pending bool // next is valid
	random  *rand.Rand
	flows   []flow // pool
	free    []int32
	edges   int // of the whole graph
	offset  []int
	record  recorder
}

// tag says which step of which flow an invocation is.
type tag struct{ stream, flow, step int32 }

// flow is one run of a graph.
type flow struct {
	begun     des.Time
	steps     []progress
	taken     []bool // by edge of the graph
	open      int    // steps that are neither ended nor left out
	inService int    // released invocations
	failed    bool
	last      int32 // the step that ended last
	end       des.Time
}

// progress is how far a step is.
type progress struct {
	undecided int32 // edges into it
	cause     int32 // the step that it waited for last; -1: the flow's beginning
	teller    int32 // the step that ended when the last of the edges was decided
	taken     bool  // some edge into it was
	invoked   bool
	duration  int32 // which of its durations
	ready     des.Time
	sent      des.Time // when the last payload was sent
	decided   des.Time // when the last of the edges was
	service   time.Duration
}

// New returns an engine. Streams of random numbers are opened by name; warmUp is
// when recording begins. It fails with every mistake of every graph.
func New(streams []Stream, random func(name string) *rand.Rand, warmUp des.Time) (*Engine, error) {
	e := &Engine{warmUp: warmUp}
	for _, s := range streams {
		if err := s.Graph.Check(); err != nil {
			return nil, err
		}
		own := &stream{index: int32(len(e.streams)), graph: s.Graph, into: s.Graph.into(), source: s.Arrivals, random: random("workflow/" + s.Graph.Name)}
		for i, n := range own.into {
			if n == 0 {
				own.roots = append(own.roots, i)
			}
		}
		for _, step := range s.Graph.Steps {
			own.offset = append(own.offset, own.edges)
			own.edges += len(step.Next)
		}
		own.record.init(s.Graph)
		own.advance()
		e.streams = append(e.streams, own)
	}
	return e, nil
}

func (s *stream) advance() {
	a, ok := s.source.Next()
	s.next, s.pending = a.At, ok
}

// earliest returns the stream whose flow begins next, nil if none is left.
func (e *Engine) earliest() *stream {
	var first *stream
	for _, s := range e.streams {
		if s.pending && (first == nil || s.next < first.next) {
			first = s
		}
	}
	return first
}

// Next implements cluster.Flows.
func (e *Engine) Next() (des.Time, bool) {
	s := e.earliest()
	if s == nil {
		return 0, false
	}
	return s.next, true
}

// Begin implements cluster.Flows.
func (e *Engine) Begin(now des.Time, release func(cluster.Release)) {
	s := e.earliest()
	s.advance()
	id := s.begin(now)
	for _, root := range s.roots {
		e.invoke(s, id, root, 0, release)
	}
}

// begin draws the fate of a new flow.
func (s *stream) begin(now des.Time) int32 {
	id := int32(len(s.flows))
	if n := len(s.free); n > 0 {
		id, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.flows = append(s.flows, flow{steps: make([]progress, len(s.graph.Steps)), taken: make([]bool, s.edges)})
	}
	f := &s.flows[id]
	*f = flow{begun: now, steps: f.steps, taken: f.taken, open: len(s.graph.Steps), last: -1}
	for i := range s.graph.Steps {
		step := &s.graph.Steps[i]
		f.steps[i] = progress{undecided: int32(s.into[i]), cause: -1, teller: -1, ready: now, sent: now, decided: now}
		if len(step.Durations) > 1 {
			f.steps[i].duration = pick(s.random.Float64(), len(step.Durations), func(n int) float64 { return step.Durations[n].Probability })
		}
		taken := f.taken[s.offset[i] : s.offset[i]+len(step.Next)]
		if step.Branch == One && len(taken) > 0 {
			clear(taken)
			taken[pick(s.random.Float64(), len(taken), func(n int) float64 { return step.Next[n].Probability })] = true
			continue
		}
		for n, edge := range step.Next {
			taken[n] = edge.Probability == 1 || s.random.Float64() < edge.Probability
		}
	}
	s.record.begun++
	return id
}

// pick returns which of n parts the quantile u falls into.
func pick(u float64, n int, probability func(int) float64) int32 {
	for i := range n - 1 {
		if u -= probability(i); u < 0 {
			return int32(i)
		}
	}
	return int32(n - 1)
}

// invoke releases the invocation of a step after the transfer of its last payload.
func (e *Engine) invoke(s *stream, id int32, step int, after time.Duration, release func(cluster.Release)) {
	f := &s.flows[id]
	p := &f.steps[step]
	p.invoked = true
	f.inService++
	number := int32(len(e.tags))
	own := tag{s.index, id, int32(step)}
	if n := len(e.free); n > 0 {
		number, e.free = e.free[n-1], e.free[:n-1]
		e.tags[number] = own
	} else {
		e.tags = append(e.tags, own)
	}
	r := cluster.Release{Function: s.graph.Steps[step].Function, After: after, Tag: number + 1}
	if durations := s.graph.Steps[step].Durations; len(durations) > 0 {
		r.Base = durations[p.duration].Value
	}
	release(r)
}

// Ended implements cluster.Flows.
func (e *Engine) Ended(now des.Time, ended cluster.Ended, release func(cluster.Release)) {
	number := ended.Tag - 1
	own := e.tags[number]
	e.free = append(e.free, number)
	s := e.streams[own.stream]
	f := &s.flows[own.flow]
	f.inService--
	f.open--
	end := now.Add(ended.Way)
	if end >= f.end {
		f.last, f.end = own.step, end
	}
	f.steps[own.step].service = ended.Service
	if !ended.Done {
		f.failed = true
	}
	if !f.failed {
		e.follow(s, own.flow, int(own.step), now, end, release)
	}
	if f.failed && f.inService == 0 || f.open == 0 {
		s.record.ended(s, f, e.warmUp)
		s.free = append(s.free, own.flow)
	}
}

// news is a step whose edges are decided at a time, because another one ended then.
type news struct {
	step int
	at   des.Time
	by   int32
}

// follow decides the edges of a step whose reply is there at end, and of those that
// are left out because of it. Replies may overtake one another, so what was decided
// last need not be what is heard of last.
func (e *Engine) follow(s *stream, id int32, step int, now, end des.Time, release func(cluster.Release)) {
	f := &s.flows[id]
	queue := []news{{step, end, int32(step)}}
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		for n, edge := range s.graph.Steps[from.step].Next {
			p := &f.steps[edge.To]
			p.undecided--
			if from.at >= p.decided {
				p.decided, p.teller = from.at, from.by
			}
			if f.steps[from.step].invoked && f.taken[s.offset[from.step]+n] {
				if came := end.Add(s.graph.Transfer(edge.Payload)); !p.taken || came >= p.ready {
					p.cause, p.ready, p.sent = int32(step), came, end
				}
				p.taken = true
			}
			switch {
			case p.undecided > 0:
			case p.taken:
				if p.ready < p.decided { // it waited to hear that nothing more comes
					p.cause, p.ready, p.sent = p.teller, p.decided, p.decided
				}
				e.invoke(s, id, edge.To, p.ready.Sub(now), release)
			default: // no edge into it was taken
				f.open--
				queue = append(queue, news{edge.To, p.decided, p.teller})
			}
		}
	}
}

// longest is how long a transfer takes at most: virtual time ends after 292 years.
const longest = 100 * 365 * 24 * time.Hour

// Transfer returns how long a payload takes.
func (g *Graph) Transfer(payload int64) time.Duration {
	latency := min(g.Latency, longest)
	if g.Bandwidth == 0 {
		return latency
	}
	carried := float64(payload) / g.Bandwidth * float64(time.Second)
	if carried > float64(longest-latency) {
		return longest
	}
	return latency + time.Duration(carried+.5)
}

// Outcome returns what the flows did, by graph.
func (e *Engine) Outcome() []Outcome {
	var list []Outcome
	for _, s := range e.streams {
		o := s.record.outcome(s.graph)
		o.Account.Running = int64(len(s.flows) - len(s.free))
		list = append(list, o)
	}
	return list
}

// Check returns an error unless every flow is accounted for.
func (e *Engine) Check() error {
	var lost []error
	for _, o := range e.Outcome() {
		if err := o.Account.Balance(); err != nil {
			lost = append(lost, fmt.Errorf("workflow %s: %w", o.Name, err))
		}
	}
	return errors.Join(lost...)
}
