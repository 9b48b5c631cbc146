package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane"
	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/des"
	"microcosm/cosim/metrics"
	"microcosm/cosim/policy"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/cosim/workflow"
	"microcosm/loadgen"
)

const (
	// allApart is the number of functions up to which each is reported apart;
	// beyond it only the largest are.
	allApart = 1000
	largest  = 100
	// maxNodesApart bounds the nodes that are reported apart.
	maxNodesApart = 100
	// buckets of the timeline.
	buckets = 120
)

// plan is one combination of the factors' levels, ready to be replicated. It is
// safe for concurrent use.
type plan struct {
	scenario   *scenario.Scenario
	demand     *scenario.Demand
	template   cluster.Config          // without arrivals and streams
	revisions  []controlplane.Revision // of the functions, where Knative is the control plane
	kubernetes *kubernetes.Config      // nil without
	measured   Measured                // nil where nothing is measured
	given      bool                    // some service time is a given law
	traced     bool                    // some service time is a trace's own duration
	fits       []string                // notes on constants that were fitted
	overloaded string                  // why no steady state can exist; empty otherwise
}

func newPlan(ctx context.Context, s *scenario.Scenario, o Options) (*plan, error) {
	demand, err := s.Demand()
	if err != nil {
		return nil, err
	}
	p := &plan{scenario: s, demand: demand}
	if slices.ContainsFunc(demand.Functions, func(f scenario.DemandFunction) bool { return f.Measured != "" }) {
		if o.Open == nil {
			return nil, errors.New("the scenario asks for measured service times, but there is no store")
		}
		if p.measured, err = o.Open(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := p.build(ctx); err != nil {
		return nil, err
	}
	if err := p.fitConditions(ctx); err != nil {
		return nil, err
	}
	p.overloaded = p.overload()
	return p, nil
}

// build fills the template.
func (p *plan) build(ctx context.Context) error {
	c := p.scenario.Cluster
	balancer := func() cluster.LoadBalancer { return c.LoadBalancing.With.Balancer(c.SandboxChoice) }
	p.template = cluster.Config{
		Discipline: c.Discipline, CoreChoice: c.CoreChoice, Binding: c.Binding,
		NewBalancer: balancer, Placement: c.Placement.With, Retry: c.Retry.With,
		QuotaPeriod: c.QuotaPeriod,
		Horizon:     p.demand.Horizon, WarmUp: p.demand.WarmUp, Drain: time.Duration(p.demand.Horizon),
		Buckets: buckets,
	}
	p.template.Sections = p.scenario.Fidelity.Replications == 1
	if p.demand.Terminating {
		p.template.Drain = math.MaxInt64 / 2 // a trace ends by itself
	}
	var err error
	if p.template.Nodes, err = p.scenario.Nodes(); err != nil {
		return err
	}
	if p.demand.Terminating && slices.ContainsFunc(p.template.Nodes, unreliable) {
		// What no node can serve any more would be waited for without an end.
		p.template.Drain = max(time.Duration(p.demand.Horizon), 24*time.Hour)
	}
	p.template.NoNodes = len(p.template.Nodes) > maxNodesApart
	var mistakes []error
	minor := p.minor()
	for i, f := range p.demand.Functions {
		laws, err := p.laws(ctx, f)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("function %s: %w", f.Name, err))
		}
		memory, err := f.Resources.Memory()
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("function %s: %w", f.Name, err))
		}
		function := cluster.FunctionConfig{
			Name: f.Name, Minor: minor[i], Laws: laws,
			Concurrency: f.Concurrency, MemoryMiB: int(f.Memory), QueueLimit: f.QueueLimit,
			RequestMiB: int(f.Resources.MemoryRequest), Memory: memory,
			CPURequest: int(f.Resources.CPURequest), CPULimit: int(f.Resources.CPULimit),
			Scaler: scaler(f.Scaling), NewKeepAlive: f.KeepAlive.KeepAlive, NewHedge: hedge(c.Hedging.With),
		}
		if c.ControlPlane == "knative" {
			if err := p.addRevision(&function); err != nil {
				mistakes = append(mistakes, fmt.Errorf("function %s: %w", f.Name, err))
			}
		}
		p.template.Functions = append(p.template.Functions, function)
	}
	if c.Orchestrator == "kubernetes" {
		k, err := p.scenario.Kubernetes(p.demand)
		if p.kubernetes = &k; err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return joinDistinct(mistakes)
}

// unreliable reports that a node comes and goes.
func unreliable(n cluster.NodeConfig) bool {
	return n.Lifetime != nil || len(n.FailAt) > 0 || len(n.Schedule.Steps) > 0
}

// hedge returns the maker of a hedging; nil where there is none.
func hedge(h policy.Hedging) func() cluster.Hedge {
	if h.Hedge() == nil {
		return nil
	}
	return h.Hedge
}

// minor says which functions share a record.
func (p *plan) minor() []bool {
	minor := make([]bool, len(p.demand.Functions))
	if len(minor) <= allApart {
		return minor
	}
	order := make([]int, len(minor))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := p.demand.Functions[a].ExpectedInvocations, p.demand.Functions[b].ExpectedInvocations
		switch {
		case x > y:
			return -1
		case x < y:
			return 1
		default:
			return 0
		}
	})
	for _, i := range order[largest:] {
		minor[i] = true
	}
	return minor
}

func scaler(s scenario.Scaling) cluster.Scaler {
	if s.Kind == "fixed" {
		return policy.Fixed{Sandboxes: s.Sandboxes}
	}
	return policy.FollowConcurrency{Min: s.Min, Max: s.Max}
}

// laws returns the function's law on every platform of the cluster.
func (p *plan) laws(ctx context.Context, f scenario.DemandFunction) (map[string]servicetime.Law, error) {
	create, init, err := stages(p.scenario.Cluster.ColdStart)
	if err != nil {
		return nil, err
	}
	laws := map[string]servicetime.Law{}
	var mistakes []error
	for _, n := range p.template.Nodes {
		if _, asked := laws[n.Platform]; asked {
			continue
		}
		switch {
		case f.Service != nil:
			p.given = true
			laws[n.Platform], err = p.givenLaw(*f.Service, create, init)
		case f.Measured != "":
			laws[n.Platform], err = p.measured.Law(ctx, servicetime.Request{Function: f.Measured, Input: f.Input, Platform: n.Platform})
		default:
			p.traced = true
			laws[n.Platform] = servicetime.TraceLaw{Create: create, Init: init}
		}
		if err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return laws, joinDistinct(mistakes)
}

func (p *plan) givenLaw(s scenario.Service, create, init servicetime.Distribution) (servicetime.Law, error) {
	distribution, err := s.Description().Distribution()
	if err != nil {
		return nil, err
	}
	model, err := Model(p.scenario.Fidelity)
	if err != nil {
		return nil, err
	}
	if model.HalfDepth == 0 {
		model.HalfDepth = servicetime.DefaultHalfDepth
	}
	return &servicetime.GivenLaw{
		Service: distribution, BusyFraction: float64(s.Busy), Relative: s.RelativePenalty * p.scenario.Fidelity.Penalty,
		Model: model, Create: create, Init: init,
	}, nil
}

// LawOptions returns how a source has to answer for a scenario.
func LawOptions(s *scenario.Scenario) (servicetime.LawOptions, error) {
	model, err := Model(s.Fidelity)
	if err != nil {
		return servicetime.LawOptions{}, err
	}
	create, init, err := stages(s.Cluster.ColdStart)
	return servicetime.LawOptions{Model: model, Mix: s.Fidelity.Mix, Penalty: s.Fidelity.Penalty, Create: create, Init: init}, err
}

// stages returns the laws that a scenario gives for a cold start; nil where a
// stage is to be measured.
func stages(c scenario.ColdStart) (create, init servicetime.Distribution, err error) {
	var laws [2]servicetime.Distribution
	for i, s := range []scenario.Stage{c.Create, c.Init} {
		switch {
		case s.Law != nil:
			if laws[i], err = s.Law.Description().Distribution(); err != nil {
				return nil, nil, err
			}
		case !s.Measured:
			laws[i] = servicetime.Deterministic{}
		}
	}
	return laws[0], laws[1], nil
}

// simulate runs the template once, with what change does to it.
func (p *plan) simulate(ctx context.Context, seed uint64, change func(*cluster.Config)) (*cluster.Outcome, error) {
	c := p.template
	c.Random = func(name string) *rand.Rand { return loadgen.Rand(seed, name) }
	c.Functions = slices.Clone(c.Functions)
	for i, f := range p.demand.Functions {
		c.Functions[i].Arrivals = cluster.NoArrivals{}
		if f.Arrivals != nil {
			c.Functions[i].Arrivals = arrivals{f.Arrivals.Stream(seed)}
		}
	}
	engine, err := p.engine(seed, &c)
	if err != nil {
		return nil, err
	}
	if p.revisions != nil {
		c.NewControlPlane = func() cluster.ControlPlane {
			return controlplane.New(controlplane.Config{Revisions: p.revisions, Activators: p.scenario.Cluster.Knative.Activators, Random: c.Random})
		}
	}
	if p.kubernetes != nil {
		k := *p.kubernetes
		k.Random = c.Random
		c.NewOrchestrator = func() cluster.Orchestrator { return kubernetes.New(k) }
	}
	c.Stop = func() error { return context.Cause(ctx) }
	change(&c)
	model, err := cluster.New(c)
	if err != nil {
		return nil, err
	}
	outcome, err := model.Run()
	if err == nil && engine != nil {
		err = engine.Check()
	}
	return outcome, err
}

// engine gives the cluster the workflows of a replication; nil without any.
func (p *plan) engine(seed uint64, c *cluster.Config) (*workflow.Engine, error) {
	if len(p.demand.Flows) == 0 {
		return nil, nil
	}
	var streams []workflow.Stream
	for _, f := range p.demand.Flows {
		streams = append(streams, workflow.Stream{Graph: f.Graph, Arrivals: arrivals{f.Arrivals.Stream(seed)}})
	}
	engine, err := workflow.New(streams, c.Random, c.WarmUp)
	c.Flows = engine
	return engine, err
}

// overload returns why no steady state can exist, from the mean service times
// alone; empty where one may. Penalties and cold starts only add to the load, so
// that a load of 1 or more is certain.
func (p *plan) overload() string {
	if p.demand.Terminating {
		return ""
	}
	cores, load := 0, 0.0
	for _, n := range p.template.Nodes {
		cores += n.Cores
	}
	for i, f := range p.demand.Functions {
		busy, service, ok := shortest(p.template.Functions[i].Laws)
		if !ok || f.QueueLimit != cluster.Unlimited {
			continue // who is rejected does not add to a backlog
		}
		rate := f.ExpectedInvocations / p.demand.Horizon.Seconds()
		load += rate * busy
		if f.Scaling.Max != cluster.Unlimited {
			slots := float64(f.Scaling.Max) * float64(f.Concurrency)
			if own := rate * service / slots; own >= 1 {
				return fmt.Sprintf("the offered load of %s is %.3g times what its %.0f slots can serve", f.Name, own, slots)
			}
		}
	}
	if load /= float64(cores); load >= 1 {
		return fmt.Sprintf("the offered load is %.3g times what the %d cores can serve", load, cores)
	}
	return ""
}

// shortest returns the least mean busy and service times in seconds over the
// platforms; false where a law cannot tell.
func shortest(laws map[string]servicetime.Law) (busy, service float64, ok bool) {
	busy, service = math.Inf(1), math.Inf(1)
	for _, law := range laws {
		known, can := law.(interface {
			WarmMean() (busy, service time.Duration)
		})
		if !can {
			return 0, 0, false
		}
		b, s := known.WarmMean()
		busy, service = min(busy, b.Seconds()), min(service, s.Seconds())
	}
	return busy, service, len(laws) > 0
}

// unstable returns why the run has no steady state; empty where it has.
func (p *plan) unstable(o outcomes) string {
	if p.demand.Terminating || p.overloaded != "" {
		return p.overloaded
	}
	quarter := func(x *cluster.Outcome, n int) float64 {
		first := int(p.demand.WarmUp / des.Time(x.Timeline.Width))
		series := x.Timeline.InSystem[min(first, len(x.Timeline.InSystem)-4):]
		part := series[n*len(series)/4 : (n+1)*len(series)/4]
		sum := 0.0
		for _, v := range part {
			sum += v
		}
		return sum / float64(len(part))
	}
	second := o.each(func(x *cluster.Outcome) float64 { return quarter(x, 1) })
	last := o.each(func(x *cluster.Outcome) float64 { return quarter(x, 3) })
	if grows, change := metrics.BacklogGrows(second, last); grows {
		return fmt.Sprintf("the number in the system grew by %.3g from the second to the last quarter of the run", change.Est)
	}
	return ""
}

func (p *plan) labels() []string {
	var labels []string
	if p.measured != nil {
		labels = p.measured.Labels()
	}
	if p.given {
		labels = append(labels, "given")
	}
	if p.traced {
		labels = append(labels, "trace")
	}
	return labels
}

// notes says what a reader must know about the run.
func (p *plan) notes(o outcomes) []string {
	notes := append(slices.Clone(p.demand.Warnings), p.fits...)
	if p.measured != nil {
		if p.scenario.Fidelity.Resamples == 0 {
			notes = append(notes, "the intervals show the noise of the queue for this sample set; how far the set itself may be off is not in them")
		} else {
			notes = append(notes, "the intervals of functions, nodes and conditions show the noise of the queue for this sample set; those of whole runs and effects also show how far the set itself may be off")
		}
		notes = append(notes, p.measured.Notes()...)
	}
	var interpolated, total, unplaced int64
	for _, one := range o {
		interpolated += one.Interpolated
		total += one.Account.Done
		unplaced += one.Unplaced
	}
	if interpolated > 0 {
		notes = append(notes, fmt.Sprintf("%.1f %% of the service times were interpolated between measured conditions", 100*float64(interpolated)/float64(total)))
	}
	notes = append(notes, p.warmUpNotes(o)...)
	notes = append(notes, p.sampleNotes(interpolated > 0)...)
	if unplaced > 0 {
		notes = append(notes, fmt.Sprintf("%d times a new sandbox found no %s and had to wait", unplaced, p.scarce()))
	}
	return append(append(notes, outages(o)...), pulls(o)...)
}

// scarce names what a sandbox that has to wait lacks.
func (p *plan) scarce() string {
	limited := func(n cluster.NodeConfig) bool { return n.MaxSandboxes > 0 }
	if p.kubernetes != nil || slices.ContainsFunc(p.template.Nodes, limited) {
		return "node"
	}
	return "memory"
}

// pulls says what nodes got from the registry.
func pulls(o outcomes) (notes []string) {
	var images, bytes int64
	for _, one := range o {
		images += one.Pulls
		bytes += one.Downloaded
	}
	if images > 0 {
		notes = append(notes, fmt.Sprintf("nodes pulled %d images, %.4g GiB of layers", images, float64(bytes)/(1<<30)))
	}
	return notes
}

// outages says what was lost with nodes and cores, to hedging and for want of memory, and what waited for its CPU limit.
func outages(o outcomes) (notes []string) {
	var ended, preempted, evicted, ahead, over, out, throttled int64
	wasted := 0.
	for _, one := range o {
		ended += one.Ended
		preempted += one.Preempted
		evicted += one.Evicted
		ahead += one.PreWarmed
		over += one.OverLimit
		out += one.OutOfMemory
		throttled += one.Throttled
		wasted += one.Wasted.Seconds()
	}
	if ended+preempted > 0 {
		notes = append(notes, fmt.Sprintf("nodes went away %d times, and cores from under %d invocations", ended, preempted))
	}
	if wasted > 0 {
		notes = append(notes, fmt.Sprintf("%.4g s of core time went into attempts that answered nothing", wasted))
	}
	if throttled > 0 {
		notes = append(notes, fmt.Sprintf("%d times a sandbox had used up its CPU limit and waited for the next period", throttled))
	}
	if over > 0 {
		notes = append(notes, fmt.Sprintf("%d sandboxes were ended, with the calls in them, for using more memory than they may", over))
	}
	if out > 0 {
		notes = append(notes, fmt.Sprintf("%d sandboxes were ended, with the calls in them, because their node had no memory left", out))
	}
	if ahead > 0 {
		notes = append(notes, fmt.Sprintf("%d sandboxes were started ahead of the call that they were for", ahead))
	}
	if evicted > 0 {
		notes = append(notes, fmt.Sprintf("%d idle sandboxes were given up for memory", evicted))
	}
	return notes
}

// warmUpNotes says where MSER-5 finds that most replications never settled: what
// was left out at their start is not enough.
func (p *plan) warmUpNotes(o outcomes) []string {
	if p.demand.Terminating {
		return nil
	}
	unsettled, told := 0, 0
	for _, one := range o {
		if one.Series.Count() < fewestToSettle {
			continue
		}
		told++
		if _, settled := one.Series.WarmUp(); !settled {
			unsettled++
		}
	}
	if 2*unsettled <= told {
		return nil
	}
	return []string{fmt.Sprintf("in %d of %d replications the warm-up (MSER-5) takes more than half of what was recorded: run longer, or give a longer workload.warm-up", unsettled, told)}
}

// fewestToSettle is how many invocations a replication needs for MSER-5 to tell
// anything.
const fewestToSettle = 1000
