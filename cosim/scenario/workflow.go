package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/workflow"
	"microcosm/functions"
	"microcosm/loadgen"
)

// Workflow is a graph of functions that call one another, and when its flows begin.
// The graph is written as steps, read from a file, or generated.
type Workflow struct {
	// Name of the workflow in the report.
	Name string `yaml:"name" need:"always"`
	// Steps of the graph; those that no edge leads to begin.
	Steps []Step `yaml:"steps"`
	// File with a graph in noserver's JSON; its steps bring their durations.
	File string `yaml:"file" file:"read"`
	// Generate is a graph by its shape.
	Generate *Shape `yaml:"generate"`
	// Arrivals is the process by which flows begin.
	Arrivals *Arrivals `yaml:"arrivals"`
	// Invocations is a file of noserver's that says when flows begin.
	Invocations string `yaml:"invocations" file:"read"`
	// Latency of every transfer from a step to the next.
	Latency time.Duration `yaml:"latency" default:"0s" range:"0s.."`
	// Bandwidth of every transfer; without a limit unless given.
	Bandwidth Bandwidth `yaml:"bandwidth"`
}

// Step is one invocation of a workflow.
type Step struct {
	// Name of the step; its function is called workflow.step in the report.
	Name string `yaml:"name" need:"always"`
	// Function of the workload that is invoked, or of the catalog; the same name unless given.
	Function string `yaml:"function"`
	// Input is the input class of a measured function.
	Input string `yaml:"input"`
	// Service is a given law of the service time; without it the function is a measured one.
	Service *Service `yaml:"service"`
	// Memory of one sandbox of the step's function.
	Memory MiB `yaml:"memory" range:"1MiB.."`
	// Branch is each (every edge by its own probability) or one (exactly one of them).
	Branch workflow.Branch `yaml:"branch" default:"each"`
	// Next are the edges to the steps that follow.
	Next []Edge `yaml:"next"`
}

// Edge leads from a step to another.
type Edge struct {
	// To is the name of the step.
	To string `yaml:"to" need:"always"`
	// Probability that the edge is taken.
	Probability Share `yaml:"probability" default:"100%" range:"0%..100%"`
	// Payload that is carried along.
	Payload Bytes `yaml:"payload"`
}

// Shape is a generated graph: chains that begin together.
type Shape struct {
	// Width is the number of chains.
	Width int `yaml:"width" need:"always" range:"1..100000"`
	// Depth is the number of steps of each chain.
	Depth int `yaml:"depth" need:"always" range:"1..100000"`
	// Fork puts one step before all chains.
	Fork bool `yaml:"fork" default:"false"`
	// Join puts one step behind all chains.
	Join bool `yaml:"join" default:"false"`
	// Service is the law of the service time of every step.
	Service Service `yaml:"service" need:"always"`
	// Memory of one sandbox of each step's function.
	Memory MiB `yaml:"memory" range:"1MiB.."`
	// Payload of every edge.
	Payload Bytes `yaml:"payload"`
}

// Bytes is an amount of data.
type Bytes int64

// UnmarshalText reads an amount such as "64KiB" or "1.5MB".
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := workflow.ParseBytes(string(text))
	*b = Bytes(n)
	return err
}

// MarshalText writes the amount as UnmarshalText reads it.
func (b Bytes) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%dB", b), nil }

// Bandwidth is an amount of data per second.
type Bandwidth int64

// UnmarshalText reads a bandwidth such as "125MB/s".
func (b *Bandwidth) UnmarshalText(text []byte) error {
	amount, found := strings.CutSuffix(string(text), "/s")
	n, err := workflow.ParseBytes(amount)
	if !found || err != nil || n == 0 {
		return fmt.Errorf("%q is no bandwidth: write one such as 125MB/s or 1GiB/s", text)
	}
	*b = Bandwidth(n)
	return nil
}

// MarshalText writes the bandwidth as UnmarshalText reads it.
func (b Bandwidth) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%dB/s", b), nil }

// shared returns the function of the workload that a step invokes, nil if it has
// one of its own.
func (w *Workload) shared(s *Step) *Function {
	if s.Service != nil {
		return nil
	}
	name := cmp.Or(s.Function, s.Name)
	i := slices.IndexFunc(w.Functions, func(f Function) bool { return f.Name == name && f.Copies == 1 })
	if i < 0 {
		return nil
	}
	return &w.Functions[i]
}

// measured returns the function of the catalog that a step invokes and its input
// class, both empty where a law is given or the workload has the function.
func (w *Workload) measured(s *Step) (function, input string) {
	if s.Service != nil || w.shared(s) != nil {
		return "", ""
	}
	return cmp.Or(s.Function, s.Name), cmp.Or(s.Input, functions.DefaultClass)
}

func (w *Workflow) check(r *reader, p place) {
	r.checkName(p.child("name"), w.Name)
	if !r.sound(p, "steps", "file", "generate", "arrivals", "invocations") {
		return
	}
	given := 0
	for _, key := range []string{"steps", "file", "generate"} {
		if p.child(key).node != nil {
			given++
		}
	}
	if given != 1 {
		r.wrong(p, "want one of steps, file and generate, not %d of them", given)
	}
	if (w.Arrivals == nil) == (w.Invocations == "") {
		r.wrong(p, "want either arrivals or invocations: when does a flow begin?")
	}
	if c := p.child("invocations"); w.Invocations != "" {
		r.checkFile(c, w.Invocations)
		if r.sound(c) {
			_, err := w.readInvocations(r.folder)
			r.wrongIf(c, err)
		}
	}
	if c := p.child("file"); w.File != "" {
		r.checkFile(c, w.File)
		if r.sound(c) {
			_, err := w.readFile(r.folder)
			r.wrongIf(c, err)
		}
	}
	if w.Steps != nil {
		w.checkSteps(r, p.child("steps"))
	}
	if w.Generate != nil && r.sound(p, "generate.width", "generate.depth") {
		_, err := w.generated()
		r.wrongIf(p.child("generate"), err)
	}
}

// wrongIf notes an error as a mistake.
func (r *reader) wrongIf(p place, err error) {
	if err != nil {
		r.wrong(p, "%v", err)
	}
}

func (s *Step) check(r *reader, p place) {
	r.checkName(p.child("name"), s.Name)
	r.checkName(p.child("function"), s.Function)
	for _, key := range []string{"function", "input"} {
		if c := p.child(key); s.Service != nil && c.node != nil {
			r.wrong(c, "contradicts service: a step with a given law uses no other function; remove one of the two")
		}
	}
}

// checkSteps reports edges that lead nowhere and whatever package workflow finds,
// each at its step or edge.
func (w *Workflow) checkSteps(r *reader, p place) {
	for i, s := range w.Steps {
		for j, e := range s.Next {
			c := p.item(i).descend(fmt.Sprintf("next[%d].to", j))
			if !slices.ContainsFunc(w.Steps, func(t Step) bool { return t.Name == e.To }) && e.To != "" {
				r.wrong(c, "there is no step %q: %s", e.To, suggest(e.To, w.stepNames()))
			}
		}
	}
	if len(r.mistakes) > 0 && slices.ContainsFunc(r.mistakes, func(m Mistake) bool { return strings.HasPrefix(m.Key, p.path) }) {
		return // a graph with holes would be said to have others
	}
	g := w.graph()
	for _, m := range g.Mistakes() {
		at := p
		if m.Step >= 0 {
			at = p.item(m.Step).child("name")
		}
		if m.Edge >= 0 {
			at = p.item(m.Step).descend(fmt.Sprintf("next[%d].to", m.Edge))
		}
		r.wrong(at, "%s", m.Problem)
	}
}

func (w *Workflow) stepNames() (names []string) {
	for _, s := range w.Steps {
		names = append(names, s.Name)
	}
	return names
}

// graph returns the graph that is written as steps; functions are not joined yet.
func (w *Workflow) graph() *workflow.Graph {
	g := &workflow.Graph{Name: w.Name}
	for i, s := range w.Steps {
		step := workflow.Step{Name: s.Name, Function: i, Branch: s.Branch, MemoryMiB: int(s.Memory)}
		for _, e := range s.Next {
			to := slices.IndexFunc(w.Steps, func(t Step) bool { return t.Name == e.To })
			step.Next = append(step.Next, workflow.Edge{To: to, Probability: float64(e.Probability), Payload: int64(e.Payload)})
		}
		g.Steps = append(g.Steps, step)
	}
	return g
}

func (w *Workflow) generated() (*workflow.Graph, error) {
	s := w.Generate
	return workflow.Generate(w.Name, workflow.Shape{
		Width: s.Width, Depth: s.Depth, Fork: s.Fork, Join: s.Join, Payload: int64(s.Payload), MemoryMiB: int(s.Memory),
	})
}

func (w *Workflow) readFile(folder string) (*workflow.Graph, error) {
	file := resolve(folder, w.File)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return workflow.ReadDAG(file, w.Name, text)
}

// readInvocations returns when flows begin: what the file says of the workflow of
// this name, or of the only one in it.
func (w *Workflow) readInvocations(folder string) (*workflow.Invocations, error) {
	name := resolve(folder, w.Invocations)
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	list, err := workflow.ReadInvocations(name, file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return &list[0], nil
	}
	i := slices.IndexFunc(list, func(l workflow.Invocations) bool { return l.Name == w.Name })
	if i < 0 {
		return nil, fmt.Errorf("%s invokes %d workflows, but none called %q", name, len(list), w.Name)
	}
	return &list[i], nil
}

// checkWorkflows reports names that two workflows share, and steps' functions that
// are called like another function.
func (w *Workload) checkWorkflows(r *reader, p place) {
	if len(w.Workflows) == 0 || !r.sound(p, "workflows") {
		return
	}
	var names []named
	for i, f := range w.Workflows {
		names = append(names, named{f.Name, 0, p.child("workflows").item(i)})
	}
	r.checkNames(names)
}

// DemandFlow is a workflow whose steps know their functions in Demand.Functions.
type DemandFlow struct {
	Graph         *workflow.Graph
	Arrivals      loadgen.Source
	ExpectedFlows float64 // until the horizon
}

// demandFlows adds the workflows, and a function for each step that has its own.
func (s *Scenario) demandFlows(d *Demand) error {
	recorded := len(s.Workload.Workflows) > 0 && len(s.Workload.Functions) == 0 && s.Workload.RPS == nil
	for i := range s.Workload.Workflows {
		w := &s.Workload.Workflows[i]
		flow, err := s.demandFlow(w, d)
		if err != nil {
			return fmt.Errorf("workload.workflows[%d]: %w", i, err)
		}
		d.Flows = append(d.Flows, flow)
		recorded = recorded && w.Invocations != ""
	}
	d.Terminating = d.Terminating || recorded
	return nil
}

func (s *Scenario) demandFlow(w *Workflow, d *Demand) (flow DemandFlow, err error) {
	switch {
	case w.File != "":
		flow.Graph, err = w.readFile(s.origin.folder())
	case w.Generate != nil:
		flow.Graph, err = w.generated()
	default:
		flow.Graph = w.graph()
	}
	if err != nil {
		return flow, err
	}
	flow.Graph.Latency, flow.Graph.Bandwidth = w.Latency, float64(w.Bandwidth)
	if w.Arrivals != nil {
		arrivals := w.Arrivals.Description().Function("workflow/"+w.Name, d.Horizon)
		flow.Arrivals, flow.ExpectedFlows = arrivals.Source, arrivals.ExpectedInvocations
	} else if err = s.invocations(w, &flow); err != nil {
		return flow, err
	}
	expected := flow.Graph.Expected()
	for i := range flow.Graph.Steps {
		step := &flow.Graph.Steps[i]
		if step.Function, err = s.functionOf(w, step, i, d); err != nil {
			return flow, err
		}
		d.Functions[step.Function].ExpectedInvocations += flow.ExpectedFlows * expected[i]
	}
	return flow, nil
}

func (s *Scenario) invocations(w *Workflow, flow *DemandFlow) error {
	list, err := w.readInvocations(s.origin.folder())
	if err != nil {
		return err
	}
	flow.Arrivals = loadgen.SourceFunc(func(uint64) loadgen.Stream { return &beginnings{workflow.Arrivals{Times: list.Times}} })
	flow.ExpectedFlows = float64(len(list.Times))
	return nil
}

// beginnings are the given times of flows as a stream.
type beginnings struct{ times workflow.Arrivals }

// Next implements loadgen.Stream.
func (b *beginnings) Next() (loadgen.Arrival, bool) {
	a, ok := b.times.Next()
	return loadgen.Arrival{At: a.At}, ok
}

// functionOf returns the index of a step's function, which is added unless the
// workload has it.
func (s *Scenario) functionOf(w *Workflow, step *workflow.Step, i int, d *Demand) (int, error) {
	f := s.base(w.Name + "." + step.Name)
	if step.MemoryMiB > 0 {
		f.Memory = MiB(step.MemoryMiB)
	}
	switch {
	case w.Generate != nil:
		f.Service = &w.Generate.Service
	case w.Steps == nil:
		f.Traced = true // the file gives durations
	default:
		own := &w.Steps[i]
		if shared := s.Workload.shared(own); shared != nil {
			return slices.IndexFunc(d.Functions, func(f DemandFunction) bool { return f.Name == shared.Name }), nil
		}
		f.Service = own.Service
		f.Measured, f.Input = s.Workload.measured(own)
		if known, err := s.origin.catalog.lookup(f.Measured); f.Measured != "" && err == nil && own.Memory == 0 && known.MemoryMiB > 0 {
			f.Memory = MiB(known.MemoryMiB)
		}
	}
	if slices.ContainsFunc(d.Functions, func(other DemandFunction) bool { return other.Name == f.Name }) {
		return 0, fmt.Errorf("another function is called %q too: give the workflow another name", f.Name)
	}
	d.Functions = append(d.Functions, f)
	return len(d.Functions) - 1, nil
}
