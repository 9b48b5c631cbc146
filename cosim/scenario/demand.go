package scenario

import (
	"fmt"
	"math"
	"slices"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// Demand is what arrives at the cluster, with every default and override
// resolved.
type Demand struct {
	Functions []DemandFunction
	Flows     []DemandFlow
	Horizon   des.Time // arrivals end here
	WarmUp    des.Time // what arrives earlier is not recorded
	// Terminating says that the arrivals come from a trace, which ends by itself.
	Terminating bool
	// UnmappedShare is the share of the trace's expected invocations for which no
	// measured function stands; 0 where nothing is to be mapped.
	UnmappedShare float64
	Warnings      []string // what was odd about the trace, its mapping or RPS mode, for people
}

// DemandFunction is one function and its arrivals. Its service time has one of
// three origins: a given law (Service), a measured function (Measured), or the
// durations that a trace brings (neither).
type DemandFunction struct {
	Name     string
	Service  *Service // given law; nil without
	Measured string   // function of the catalog; empty without
	Input    string   // its input class
	Traced   bool     // every arrival brings its duration; a measured function adds its penalty only
	Unmapped string   // why no measured function stands for a trace's; empty otherwise

	Group       string // the workload's function that it is a copy of, warm-function or cold-function of RPS mode; empty for a trace's
	Pod         Pod
	Resources   Resources
	Concurrency int
	QueueLimit  int // cluster.Unlimited without
	Memory      MiB // of one sandbox
	Scaling     Scaling
	KeepAlive   policy.Keeping

	// Arrivals opens the stream of a replication; equal seeds give equal streams. Nil
	// where only workflows invoke the function.
	Arrivals            loadgen.Source
	ExpectedInvocations float64 // until the horizon
}

// defaultMemory is that of a sandbox of which nothing else says: AWS Lambda's.
const defaultMemory MiB = 128

// Demand reads the trace, if there is one, and resolves what arrives. Mistakes in
// the trace's files come with their own lines.
func (s *Scenario) Demand() (*Demand, error) {
	d := &Demand{Horizon: des.Time(s.Workload.Duration)}
	if s.Workload.Trace != nil {
		if err := s.demandTrace(d); err != nil {
			return nil, err
		}
	}
	traced := slices.Clone(d.Functions)
	if s.Workload.RPS != nil {
		s.demandRPS(d)
	}
	for _, f := range s.Workload.Functions {
		for i := range f.Copies {
			name := f.Name
			if f.Copies > 1 {
				name = numbered(f.Name, i)
			}
			d.Functions = append(d.Functions, s.demandFunction(f, name, d.Horizon))
		}
	}
	if name, twice := shared(traced, d.Functions[len(traced):]); twice {
		return nil, fmt.Errorf("the trace has a function %q too: give workload's another name", name)
	}
	if err := s.demandFlows(d); err != nil {
		return nil, err
	}
	d.WarmUp = des.Time(s.Workload.WarmUp.Of(time.Duration(d.Horizon)))
	if d.WarmUp >= d.Horizon {
		return nil, fmt.Errorf("workload.warm-up, %v, leaves nothing of the trace's %v: make it shorter", d.WarmUp, d.Horizon)
	}
	return d, nil
}

// shared returns a name that functions of both lists have.
func shared(a, b []DemandFunction) (name string, found bool) {
	known := map[string]bool{}
	for _, f := range a {
		known[f.Name] = true
	}
	for _, f := range b {
		if known[f.Name] {
			return f.Name, true
		}
	}
	return "", false
}

// base returns a function with the cluster's settings.
func (s *Scenario) base(name string) DemandFunction {
	c := s.Cluster
	return DemandFunction{
		Name: name, Concurrency: c.Concurrency, QueueLimit: c.QueueLimit, Memory: defaultMemory,
		Scaling: c.Scaling, KeepAlive: c.KeepAlive.With, Pod: c.Kubernetes.Pod, Resources: c.Resources,
	}
}

// demandFunction resolves one copy of a function.
func (s *Scenario) demandFunction(f Function, name string, horizon des.Time) DemandFunction {
	d := s.base(name)
	arrivals := f.Arrivals.Description().Function(name, horizon)
	d.Arrivals, d.ExpectedInvocations = arrivals.Source, arrivals.ExpectedInvocations
	d.Service, d.Group = f.Service, f.Name
	if f.Service == nil {
		d.Measured, d.Input = f.Measured()
	}
	d.Memory = s.demandMemory(&f)
	override(&d.Pod, f.Pod)
	override(&d.Resources, f.Resources)
	override(&d.Concurrency, f.Concurrency)
	override(&d.QueueLimit, f.QueueLimit)
	override(&d.Scaling, f.Scaling)
	if f.KeepAlive != nil {
		d.KeepAlive = f.KeepAlive.With
	}
	return d
}

// demandMemory returns the memory of one sandbox of a function.
func (s *Scenario) demandMemory(f *Function) MiB {
	if f.Memory > 0 {
		return f.Memory
	}
	if f.Service == nil {
		name, _ := f.Measured()
		if known, err := s.origin.catalog.lookup(name); err == nil && known.MemoryMiB > 0 {
			return MiB(known.MemoryMiB)
		}
	}
	return defaultMemory
}

func override[T any](value, with *T) {
	if with != nil {
		*value = *with
	}
}

// demandTrace adds the functions of the trace.
func (s *Scenario) demandTrace(d *Demand) error {
	t := s.Workload.Trace
	w, err := s.origin.traces.get(t.Format, resolve(s.origin.folder(), t.Path), t.options())
	if err != nil {
		return fmt.Errorf("read workload.trace: %w", err)
	}
	d.Horizon, d.Warnings, d.Terminating = w.Horizon, slices.Clone(w.Warnings), true
	for _, f := range w.Functions {
		of := s.base(f.Name)
		of.Traced, of.Arrivals, of.ExpectedInvocations = true, f.Source, f.ExpectedInvocations
		if f.MedianMemoryMiB > 0 {
			of.Memory = MiB(math.Ceil(f.MedianMemoryMiB))
		}
		d.Functions = append(d.Functions, of)
	}
	if s.Workload.Map == nil {
		return nil
	}
	return s.join(d, w.Functions)
}

// options returns how package trace is to read the trace.
func (t *Trace) options() trace.Options {
	o := trace.Defaults()
	o.Start, o.Length = t.Start, t.Duration
	o.SkipIncomplete, o.AllowEqualStarts = t.SkipIncomplete, t.AllowEqualStarts
	if t.Format == trace.Azure2019 {
		o.IAT, o.Granularity, o.Scale = trace.IAT{Law: t.IAT, Shift: t.Shift}, t.Granularity, t.Scale
	}
	return o
}
